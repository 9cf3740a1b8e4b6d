// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { baseLayer, IMAGE_PATHS } from '../../src/build/image/product.ts';
import { crlsIn, readCrl } from '../../src/issue/crl-reader.ts';
import { PUBLIC_FILES, Scene, until } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { pushClient } from './client-image.ts';

/** All that a module may do by its sockets, before and after its identity is taken back; and under a policy that only reports. */
const scene = new Scene('uses');
const COMMAND = [IMAGE_PATHS.node, '/app/main.mjs'];
const USES = ['sign', 'encrypt', 'decrypt', 'token', 'validate', 'hub-sign'];
const IDENTITY = {
  delivery: ['Volume', 'Socket'],
  key: { residency: 'Hardware' },
  notary: { sign: true, encrypt: true },
  token: { audiences: ['server'], duration: '10m' },
  iotEdge: { hubHostName: 'hub.example.net', gatewayHostName: 'hub.example.net' },
};
let image = '';
beforeAll(async () => {
  await scene.open();
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'uses/main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    // For packages that still ask for others by name at run time.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    write: false,
    logLevel: 'error',
  });
  const content = Buffer.from(outputFiles[0]!.contents);
  const layer = await packLayer([{ kind: 'file', path: 'app/main.mjs', mode: 0o644, content }]);
  const target = { name: 'uses', registry: scene.lab.registry };
  [image = ''] = await pushClient(target, [await baseLayer(), layer], { entrypoint: COMMAND });
}, 180_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 120_000;
const WITHDRAWN = [...PUBLIC_FILES, 'spiffe.sock', 'workload.sock'].sort();
type Held = Awaited<ReturnType<Scene['holder']>>;

/** A module that uses everything, all of it with success. */
async function using(name: string, spec: object = {}) {
  await scene.apply(
    ...scene.module(name, {
      container: { image, command: COMMAND, volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      pod: { volumes: [{ name: 'data', emptyDir: {} }] },
      spec,
      identity: { ...IDENTITY, iotEdge: { ...IDENTITY.iotEdge, moduleId: name } },
    }),
  );
  const held = await scene.holder(name, 'Allowed', ({ pid, serial }) => pid !== undefined && serial !== undefined);
  for (const use of USES) await says(held.pod, new RegExp(`^${use} ok$`, 'm'));
  return held;
}

/** Waits until a pod has said it. */
function says(pod: string, pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log of ${pod}`, 60, async () => {
    const log = await scene.run('logs', pod).catch(String);
    return pattern.exec(log) ?? log.slice(-800);
  });
}

/** The uses that succeeded after a moment, once the module has used everything twice since then. */
async function usesSince(pod: string, moment: Date): Promise<string[]> {
  const { lines } = await until(`uses of ${pod}`, 60, async () => {
    const log = await scene.run('logs', pod, `--since-time=${moment.toISOString()}`);
    const found = log.split('\n').filter((line) => line !== '');
    return found.length > 3 * USES.length ? { lines: found } : `${found.length} lines`;
  });
  return [...new Set(lines.flatMap((line) => /^(\S+) ok$/.exec(line)?.[1] ?? []))].sort();
}

/** Has the module start a program that is not of its image. */
function violate(podUid: string): void {
  const root = processesOfPod(podUid).find((pid) => existsSync(`/proc/${pid}/root/data`));
  writeFileSync(`/proc/${root}/root/data/go`, '');
}

/** Denials by CodeNotFromImage that the node's agent has counted, as what they led to. */
async function denials(result: 'Denied' | 'Reported'): Promise<number> {
  const node = ['-n', 'keystead-system', 'get', 'pods', '-l', 'app.kubernetes.io/component=node'];
  const ip = await scene.kubectl.run([...node, '-o', 'jsonpath={.items[0].status.podIP}']);
  const metrics = await (await fetch(`http://${ip.trim()}:9464/metrics`)).text();
  const line = `keystead_attestations_total{result="${result}",reason="CodeNotFromImage"} `;
  return Number(
    metrics
      .split('\n')
      .find((each) => each.startsWith(line))
      ?.slice(line.length) ?? 0,
  );
}

/** Waits for the Event of the denial on a pod. */
async function event(pod: string): Promise<void> {
  const selector = `--field-selector=involvedObject.name=${pod},reason=CodeNotFromImage`;
  await until(`the Event of ${pod}`, 30, async () => {
    const events = await scene.run('get', 'events', selector, '-o', 'name');
    return events.trim() === '' ? 'none' : { events };
  });
}

/** Serials on the node's revocation lists. */
async function revokedSerials(): Promise<string[]> {
  const device = await scene.find<EdgeDevice & KubeObject>('edgedevice', scene.lab.nodeName);
  return crlsIn(device?.status?.revocation?.crl ?? '').flatMap((der) => readCrl(der).serials);
}

/** Condition, Event and metric of a module's denial, which `violate` causes. */
async function denied(name: string, { pod, podUid }: Held, result: 'Denied' | 'Reported'): Promise<Held> {
  const before = await denials(result);
  violate(podUid);
  const found = await scene.holder(name, 'Denied');
  expect(found).toMatchObject({ reason: 'CodeNotFromImage' });
  expect(found.message).toContain('/data/foreign from foreign');
  expect(await scene.condition('moduleidentity', name, 'Ready', 'False')).toMatchObject({ reason: 'CodeNotFromImage' });
  await event(pod);
  expect(await denials(result)).toBeGreaterThan(before);
  return found;
}

describe('a module whose child runs what is not of its image', () => {
  it(
    'signs no more with its key in the token, encrypts, gets and validates no token: each is refused for that reason',
    async () => {
      const held = await using('revoked');
      await denied('revoked', held, 'Denied');
      for (const use of USES)
        await says(held.pod, new RegExp(`^${use} refused .*CodeNotFromImage: .*/data/foreign from foreign`, 'm'));
      expect(await usesSince(held.pod, new Date())).toEqual([]);
      expect(await scene.files(held.pod)).toEqual(WITHDRAWN);
      await until('its serial in the list', 30, async () => {
        const serials = await revokedSerials();
        return serials.includes(held.serial!) ? (true as const) : `${serials.length} others`;
      });
    },
    LIMIT,
  );

  it(
    'keeps all that under onViolation Report, which says the same of it',
    async () => {
      const held = await using('reported', { onViolation: 'Report' });
      const found = await denied('reported', held, 'Reported');
      expect(found).toMatchObject({ serial: held.serial, revision: held.revision });
      expect(await usesSince(held.pod, new Date())).toEqual([...USES].sort());
      expect(await scene.files(held.pod)).toEqual([...WITHDRAWN, 'tls.crt'].sort());
      expect(await revokedSerials()).not.toContain(held.serial);
    },
    LIMIT,
  );
});
