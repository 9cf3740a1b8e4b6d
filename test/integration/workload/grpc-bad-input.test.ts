// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
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
import { callHeaders, END_HEADERS, END_STREAM, field, FRAME, frame, PREFACE, settings } from './http2-frames.ts';

const incarnations = new Incarnations();

/** What a hostile module may send: its connection suffers, nobody else does, and nothing of it is kept. */
const { fetchX509SVID } = SpiffeWorkloadAPI.method;
const PATH = methodPath(fetchX509SVID);
const made = makeCredentials([
  'spiffe://edge.example/ns/shop/module/till',
  'spiffe://edge.example/ns/shop/module/till',
]);
const MEGABYTE = 1024 * 1024;
let folder: string;
let api: WorkloadApi;
let served: ServedCredentials;
let beside: GrpcClient;

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-bad-input-');
  const verdict = { allowed: true, module: {}, table: [] } as unknown as Verdict;
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
  served = new ServedCredentials((podUid) => api.changed(podUid));
  for (const podUid of ['hostile', 'beside']) {
    const targetPath = join(folder, podUid);
    mkdirSync(targetPath);
    served.put(podUid, 'till', made.credentials[0]!);
    api.open({ volumeId: podUid, targetPath, podUid, podNamespace: 'shop', podName: podUid, attributes: {} });
  }
  beside = new GrpcClient(`${folder}/beside/spiffe.sock`, { headers: { 'workload.spiffe.io': 'true' } });
});
afterEach(() => {
  beside.close();
  api.stop();
  rmSync(folder, { recursive: true });
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function becomes(holds: () => boolean): Promise<void> {
  const until = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > until) throw new Error('it has not become so within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** While something is done to one pod's socket, another pod's stream gets each change, and little memory is kept of it. */
async function harmless(attack: () => Promise<void>): Promise<void> {
  const stream = beside.serverStream(fetchX509SVID, {});
  await stream.next();
  const before = heldBytes();
  const next = stream.next();
  const attacked = attack();
  served.put('beside', 'till', made.credentials[1]!);
  expect((await next).value!.svids).toHaveLength(1);
  await attacked;
  await becomes(() => heldBytes() - before < 8 * MEGABYTE);
  const after = stream.next();
  served.put('beside', 'till', made.credentials[0]!);
  expect((await after).value!.svids).toHaveLength(1);
}

function open(): Socket {
  const socket = connect(`${folder}/hostile/spiffe.sock`);
  socket.on('error', () => undefined);
  return socket;
}

/** Writes the pieces one after another until all are written or the connection is closed; then closes it. Gives how many went. */
async function flood(pieces: Iterable<Buffer>, { reads = true } = {}): Promise<number> {
  const socket = open();
  if (reads) socket.resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(Buffer.concat([PREFACE, settings()]));
  let count = 0;
  for (const piece of pieces) {
    if (socket.destroyed) break;
    count++;
    if (!socket.write(piece)) {
      const stalled = new Promise((resolve) => setTimeout(resolve, 500));
      await Promise.race([once(socket, 'drain').catch(() => undefined), closed, stalled]);
      if (socket.writableNeedDrain) break;
    }
  }
  socket.destroy();
  await closed;
  return count;
}

const headers = callHeaders(PATH, 'localhost');
const call = (stream: number, flags = END_HEADERS): Buffer => frame(FRAME.headers, flags, stream, headers);

function* repeated(times: number, make: (index: number) => Buffer): Generator<Buffer> {
  for (let index = 0; index < times; index += 100) {
    yield Buffer.concat(Array.from({ length: 100 }, (_, each) => make(index + each)));
  }
}

describe('a flood', () => {
  it.each<[string, () => Iterable<Buffer>, { reads: boolean }?]>([
    [
      'of calls that are given up at once',
      () =>
        repeated(50_000, (index) =>
          Buffer.concat([call(2 * index + 1), frame(FRAME.reset, 0, 2 * index + 1, Buffer.alloc(4))]),
        ),
    ],
    ['of calls that never end', () => repeated(50_000, (index) => call(2 * index + 1))],
    ['of pings', () => repeated(100_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))],
    [
      'of pings whose answers nobody reads',
      () => repeated(500_000, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))),
      { reads: false },
    ],
    ['of settings', () => repeated(50_000, () => settings({ 4: 65_535 }))],
    [
      'of settings whose answers nobody reads',
      () => repeated(500_000, () => settings({ 4: 65_535 })),
      { reads: false },
    ],
    ['of empty data', () => repeated(50_000, (index) => (index === 0 ? call(1) : frame(FRAME.data, 0, 1)))],
    [
      'of headers without end',
      () =>
        repeated(4_000, (index) =>
          frame(
            index === 0 ? FRAME.headers : FRAME.continuation,
            0,
            1,
            index === 0 ? headers : field('a', 'b'.repeat(100)),
          ),
        ),
    ],
  ])(
    '%s ends the connection at most',
    async (_, pieces, how = { reads: true }) => {
      await harmless(async () => {
        expect(await flood(pieces(), how)).toBeGreaterThan(0);
      });
    },
    60_000,
  );

  it('of connections that say nothing, or only half of a greeting, is cut off at the limit of the pod', async () => {
    await harmless(async () => {
      const sockets: Socket[] = [];
      let closed = 0;
      for (let index = 0; index < 10_000; index++) {
        const socket = open().resume();
        socket.once('close', () => closed++);
        if (index % 2 === 0) socket.write(PREFACE.subarray(0, index % 24));
        sockets.push(socket);
        if (index % 250 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await becomes(() => closed >= 10_000 - 256);
      for (const socket of sockets) socket.destroy();
      await becomes(() => closed === 10_000);
    });
  }, 120_000);
});

/** How a call is answered: the gRPC status, or what HTTP/2 says. */
async function answer(
  changed: Readonly<Record<string, string | string[]>>,
  body: Buffer = Buffer.alloc(5),
): Promise<unknown> {
  const session: ClientHttp2Session = connectHttp2('http://localhost', { createConnection: () => open() });
  session.on('error', () => undefined);
  const request = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    'workload.spiffe.io': 'true',
    ...changed,
  });
  request.end(body);
  try {
    const found: IncomingHttpHeaders[] = [];
    request.on('trailers', (trailers: IncomingHttpHeaders) => found.push(trailers));
    let size = 0;
    const got = new Promise<void>((resolve) => {
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        resolve();
      });
    });
    const ended = Promise.race([got, once(request, 'end'), once(request, 'close')]).catch(() => undefined);
    const [head] = (await Promise.race([once(request, 'response'), once(request, 'close')])) as [IncomingHttpHeaders?];
    await ended;
    const grpc = head?.['grpc-status'] ?? found[0]?.['grpc-status'];
    if (grpc !== undefined) return status[Number(grpc)];
    return size > 5 ? 'an answer' : `HTTP ${String(head?.[':status'])}`;
  } catch (error) {
    return (error as Error).message;
  } finally {
    session.destroy();
  }
}

const message = (length: number, octets: Buffer, compressed = 0): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, octets]);
};

describe('a call', () => {
  it('in the right form is answered, which is the control of all others', async () => {
    expect(await answer({})).toBe('an answer');
  });

  it.each([
    ['a method that is not there', '/SpiffeWorkloadAPI/FetchEverything'],
    ['a service that is not there', '/spiffe.Workload/FetchX509SVID'],
    ['an encoded path', '/%53piffeWorkloadAPI/FetchX509SVID'],
    ['a path with dots', '/x/../SpiffeWorkloadAPI/FetchX509SVID'],
    ['a path with a query', `${PATH}?a=b`],
    ['a path of another case', PATH.toLowerCase()],
    ['a longer path', `${PATH}/`],
    ['a name of every object', '/constructor/__proto__'],
    ['a path of 8,000 octets', `/${'a'.repeat(8_000)}`],
  ])('of %s is Unimplemented', async (_, path) => {
    expect(await answer({ ':path': path })).toBe('UNIMPLEMENTED');
  });

  it.each<[string, Record<string, string | string[]>, Buffer?]>([
    ['without the security header', { 'workload.spiffe.io': '' }],
    ['with the security header twice', { 'workload.spiffe.io': ['true', 'true'] }],
  ])('%s is an invalid argument', async (_, changed) => {
    expect(await answer(changed)).toBe('INVALID_ARGUMENT');
  });

  it('of another content type is none of gRPC', async () => {
    expect(await answer({ 'content-type': 'application/json' })).toBe('HTTP 415');
  });

  it.each<[string, Buffer]>([
    ['that is longer than any', message(MEGABYTE, Buffer.alloc(MEGABYTE))],
    ['that says it is', message(0xffffffff, Buffer.alloc(5))],
  ])('with a message %s is refused as too long', async (_, body) => {
    expect(await answer({}, body)).toBe('RESOURCE_EXHAUSTED');
  });

  it('of more than one message is an invalid argument, however many there are, and nothing of them is kept', async () => {
    expect(await answer({}, Buffer.alloc(10))).toBe('INVALID_ARGUMENT');
    await harmless(async () => expect(await answer({}, Buffer.alloc(4 * MEGABYTE))).toBe('INVALID_ARGUMENT'));
  });

  it.each<[string, Buffer]>([
    ['cut off', message(100, Buffer.alloc(10))],
    ['compressed without saying how', message(4, Buffer.alloc(4), 1)],
    ['that is no protocol buffer', message(4, Buffer.alloc(4, 0xff))],
  ])('with a message %s is not answered', async (_, body) => {
    expect(await answer({}, body)).not.toBe('an answer');
  });

  it.each<[string, Record<string, string>]>([
    ['longer than any', { 'x-large': 'a'.repeat(40_000), 'y-large': 'a'.repeat(40_000) }],
    ['more than any', Object.fromEntries(Array.from({ length: 1_000 }, (_, each) => [`x-${each}`, 'a']))],
  ])(
    'with headers %s is not answered, and nothing of them is kept',
    async (_, changed) => {
      await harmless(async () => expect(await answer(changed)).not.toBe('an answer'));
    },
    30_000,
  );

  it('whose octets come one by one is answered', async () => {
    const socket = open();
    const frames: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => frames.push(chunk));
    const whole = Buffer.concat([PREFACE, settings(), call(1), frame(FRAME.data, END_STREAM, 1, Buffer.alloc(5))]);
    for (const octet of whole) {
      socket.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await becomes(() => Buffer.concat(frames).includes('spiffe://edge.example'));
    socket.destroy();
  });
});
