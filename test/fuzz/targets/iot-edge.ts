// SPDX-License-Identifier: Apache-2.0
import { requireApiVersion } from '../../../src/workload/iotedge/api-version.ts';
import { jsonObject } from '../../../src/workload/iotedge/body.ts';
import { HttpFailure } from '../../../src/workload/iotedge/http-failure.ts';
import { bytes, keyId, requireAlgorithm } from '../../../src/workload/iotedge/parameters.ts';
import { routeOf, splitTarget } from '../../../src/workload/iotedge/route.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const VERSION = 'api-version=2019-01-30';
const TARGETS = [
  `/modules/press/genid/638012345678901234/sign?${VERSION}`,
  `/modules/%24edgeHub/genid/1/certificate/server?${VERSION}`,
  `/modules/a%20b/certificate/identity?x=1&${VERSION}`,
  `http://localhost/trust-bundle?${VERSION}`,
  `/modules?${VERSION}`,
];
const WORDS = ['/modules/', '/genid/', '/sign', '%2F', '%', '%C3%28', '?', '&', 'api-version=', 'http://', '/../'];

/** Every refusal is an answer of the API's own: 4xx, and its body JSON. */
function answered(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (thrown) {
    if (!(thrown instanceof HttpFailure)) throw thrown;
    must(thrown.status >= 400 && thrown.status < 500, 'a refusal says that it is the request');
    must(typeof (JSON.parse(thrown.body) as { message: unknown }).message === 'string', 'a refusal says why');
    return false;
  }
}

function requestTarget(text: string): boolean {
  return answered(() => {
    const { path, query } = splitTarget(text);
    requireApiVersion(query);
    const { claimed, name, method } = routeOf(path);
    const needsModule = method === 'POST';
    must((claimed !== undefined) === needsModule, `${name} names a module where it has one`);
  });
}

const BODIES = [
  { keyId: 'primary', algo: 'HMACSHA256', data: 'AQID' },
  { plaintext: 'AQID', initializationVector: 'aXY=' },
  { commonName: 'press', expiration: '2026-11-27T00:00:00Z' },
].map((body) => Buffer.from(JSON.stringify(body)));

function body(content: Buffer): boolean {
  return answered(() => {
    const found = jsonObject(content, 'application/json; charset=utf-8') ?? {};
    requireAlgorithm(found);
    must(['primary', 'secondary'].includes(keyId(found)), 'one of two keys');
    if ('data' in found) must(bytes(found, 'data').toString('base64') === found['data'], 'base64 in one form alone');
  });
}

export const IOT_EDGE_TARGETS: readonly Target[] = [
  target({
    name: 'iot-edge-target',
    weight: 2,
    corpus: TARGETS,
    mutate: (text, dice) => mutateText(text, dice, WORDS, TARGETS),
    read: requestTarget,
  }),
  target({ name: 'iot-edge-body', weight: 2, corpus: BODIES, mutate: mutateOctets, read: body }),
];
