// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient, methodPath } from '../../../src/grpc/client.ts';
import { createLogger } from '../../../src/log.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { ServedCredentials } from '../../../src/workload/served-credentials.ts';
import { WorkloadApi } from '../../../src/workload/workload-api.ts';
import { NO_NOTARY } from '../../fakes/notary-api.ts';
import { makeCredentials } from '../../unit/workload/credentials.ts';
import { callHeaders, END_HEADERS, FRAME, frame, PREFACE, settings } from './http2-frames.ts';

const { fetchX509SVID } = SpiffeWorkloadAPI.method;
const incarnations = new Incarnations();
const made = makeCredentials(['spiffe://edge.example/ns/shop/module/till']);
const PODS = ['hostile', 'beside'];
const CONNECTIONS = 16;
const STREAMS = 128;
/** Of a pod. */
const MOST = 640;
const REFUSED_STREAM = 7;
const MEGABYTE = 1024 * 1024;

let folder: string;
let api: WorkloadApi;
let clients: GrpcClient[];

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-unfinished-');
  const verdict = { allowed: true, module: {}, table: [] } as unknown as Verdict;
  const served = new ServedCredentials(() => undefined);
  api = new WorkloadApi({
    notary: NO_NOTARY,
    log: createLogger('test', 'silent'),
    held: new HeldSockets(),
    socket: 'spiffe.sock',
    identityAttribute: 'identity',
    incarnationOf: (process) => incarnations.of(process),
    ports: {
      trust: () => ({ own: { anchors: made.authority, keys: [] }, foreign: new Map() }),
      terms: () => undefined,
      issueToken: () => Promise.reject(new Error('no notary')),
      standing: (podUid) => ({ state: 'Held', served: served.list(podUid) }),
      judge: () => Promise.resolve(verdict),
    },
  });
  for (const podUid of PODS) {
    const targetPath = join(folder, podUid);
    mkdirSync(targetPath);
    served.put(podUid, 'till', made.credentials[0]!);
    api.open({ volumeId: podUid, targetPath, podUid, podNamespace: 'shop', podName: podUid, attributes: {} });
  }
  const headers = { 'workload.spiffe.io': 'true' };
  clients = PODS.map((pod) => new GrpcClient(`${folder}/${pod}/spiffe.sock`, { headers }));
});
afterEach(() => {
  for (const client of clients) client.close();
  api.stop();
  rmSync(folder, { recursive: true });
});

/** How many identities a pod is told of by a call of its own. */
async function served(pod: number): Promise<number> {
  for await (const { svids } of clients[pod]!.serverStream(fetchX509SVID, {})) return svids.length;
  return 0;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function becomes(holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error('it has not become so within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** As much of a message as a stream's window lets through. */
function* parts(stream: number): Generator<Buffer> {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(60_000, 1);
  yield frame(FRAME.headers, END_HEADERS, stream, callHeaders(methodPath(fetchX509SVID), 'localhost'));
  yield frame(FRAME.data, 0, stream, Buffer.concat([head, Buffer.alloc(16_000)]));
  for (let part = 0; part < 2; part++) yield frame(FRAME.data, 0, stream, Buffer.alloc(16_000));
}

/** A connection with as many such streams as one may have; gives it with what it has heard. */
async function begun(): Promise<{ socket: Socket; heard: Buffer[] }> {
  const heard: Buffer[] = [];
  const socket = connect(`${folder}/hostile/spiffe.sock`)
    .on('error', () => undefined)
    .on('data', (chunk: Buffer) => heard.push(chunk));
  socket.write(Buffer.concat([PREFACE, settings()]));
  for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
    if (!socket.write(Buffer.concat([...parts(stream)]))) await once(socket, 'drain');
  }
  return { socket, heard };
}

/** Streams that were refused in what a connection has sent. */
function refusedIn(octets: Buffer): number {
  let count = 0;
  for (let at = 0; at + 9 <= octets.length; at += 9 + octets.readUIntBE(at, 3)) {
    if (octets[at + 3] === FRAME.reset && octets.readUInt32BE(at + 9) === REFUSED_STREAM) count++;
  }
  return count;
}

describe('requests that are begun and never ended', () => {
  it('on all connections of a pod are so many that they fit into the memory; others, and it later, are served', async () => {
    const before = heldBytes();
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => begun()));
    const refused = (): number => connections.reduce((sum, { heard }) => sum + refusedIn(Buffer.concat(heard)), 0);
    await becomes(() => refused() >= CONNECTIONS * STREAMS - MOST);
    expect(refused()).toBe(CONNECTIONS * STREAMS - MOST);
    await becomes(() => heldBytes() - before < 48 * MEGABYTE);
    await expect(served(0)).rejects.toMatchObject({ code: 'Unavailable' });
    expect(await served(1)).toBe(1);
    for (const { socket } of connections) socket.destroy();
    await becomes(() =>
      served(0).then(
        (count) => count === 1,
        () => false,
      ),
    );
  }, 60_000);
});
