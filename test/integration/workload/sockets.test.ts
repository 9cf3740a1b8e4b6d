// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient, methodPath } from '../../../src/grpc/client.ts';
import { hasStatus } from '../../../src/grpc/status.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { createLogger } from '../../../src/log.ts';
import type { Standing } from '../../../src/workload/port.ts';
import { ServedCredentials } from '../../../src/workload/served-credentials.ts';
import { WorkloadApi } from '../../../src/workload/workload-api.ts';
import { NO_NOTARY } from '../../fakes/notary-api.ts';
import { makeCredentials, type Made } from '../../unit/workload/credentials.ts';
import { callHeaders, END_HEADERS, END_STREAM, FRAME, frame, PREFACE, settings } from './http2-frames.ts';

const incarnations = new Incarnations();

const ALLOWED = { allowed: true, module: {}, table: [] } as unknown as Verdict;
const TILL = 'spiffe://edge.example/ns/shop/module/till';
const { fetchX509SVID, fetchX509Bundles, fetchWITSVID, fetchWITBundles } = SpiffeWorkloadAPI.method;
let made: Made;
let folder: string;
let short: string;
let state: { bundle: string; verdict: Verdict; refused?: Standing; judged: [string, number][] };
let served: ServedCredentials;
let running: WorkloadApi[];
let clients: GrpcClient[];

beforeAll(() => void (made = makeCredentials([TILL, TILL])));
beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-workload-');
  short = `${folder}/v`;
  state = { bundle: made.authority, verdict: ALLOWED, judged: [] };
  running = [];
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
  for (const api of running) api.stop();
  rmSync(folder, { recursive: true });
});

/** As deep as the kubelet's volumes are: deeper than the address of a socket may be. */
function volume(podUid = 'pod-1'): PublishedVolume {
  const targetPath = join(folder, podUid, 'x'.repeat(120), 'mount');
  if (!existsSync(targetPath)) {
    mkdirSync(targetPath, { recursive: true });
    symlinkSync(targetPath, podUid === 'pod-1' ? short : `${short}-${podUid}`);
  }
  return { volumeId: `volume-${podUid}`, targetPath, podUid, podNamespace: 'shop', podName: 'p', attributes: {} };
}

function agent(): WorkloadApi {
  const api: WorkloadApi = new WorkloadApi({
    notary: NO_NOTARY,
    log: createLogger('test', 'fatal'),
    held: new HeldSockets(),
    socket: 'spiffe.sock',
    identityAttribute: 'identity',
    incarnationOf: (process) => incarnations.of(process),
    ports: {
      trust: () => ({ own: { anchors: state.bundle, keys: [] }, foreign: new Map() }),
      terms: () => undefined,
      issueToken: () => Promise.reject(new Error('no notary')),
      standing: (podUid) => state.refused ?? { state: 'Held', served: served.list(podUid) },
      judge: (podUid, pid) => {
        state.judged.push([podUid, pid]);
        return Promise.resolve(state.verdict);
      },
    },
  });
  served = new ServedCredentials((podUid) => api.changed(podUid));
  for (const podUid of ['pod-1', 'pod-2']) served.put(podUid, 'till', made.credentials[0]!);
  running.push(api);
  return api;
}

function client(headers: Record<string, string> = { 'workload.spiffe.io': 'true' }, path = short): GrpcClient {
  const made = new GrpcClient(`${path}/spiffe.sock`, { headers });
  clients.push(made);
  return made;
}

const first = async (of: GrpcClient) => {
  for await (const message of of.serverStream(fetchX509SVID, {})) return message;
  throw new Error('the stream ended without a message');
};

/** The same from a client that may not have noticed yet that its connection has ended. */
async function firstWithin(milliseconds: number, of: GrpcClient): ReturnType<typeof first> {
  const until = performance.now() + milliseconds;
  for (;;) {
    try {
      return await first(of);
    } catch (error) {
      if (!hasStatus(error, status.UNAVAILABLE) || performance.now() > until) throw error;
    }
  }
}

/** Resolves when the statement fails with this status. */
async function failsWith(code: status, call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect({ status: hasStatus(error, code), error }).toMatchObject({ status: true });
  return String(error);
}

describe('the socket in a pod volume', () => {
  it('serves the caller, known by its own pid and by whose socket it is', async () => {
    agent().open(volume());
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, 'fetch-child.ts'),
      `${short}/spiffe.sock`,
    ]);
    const { pid, ids } = JSON.parse(stdout) as { pid: number; ids: string[] };
    expect(ids).toEqual([TILL]);
    expect(state.judged).toEqual([['pod-1', pid]]);
    expect(statSync(`${short}/spiffe.sock`).mode & 0o777).toBe(0o666);
  });

  it('refuses a process that is not the module, with the reason', async () => {
    agent().open(volume());
    state.verdict = { allowed: false, reason: 'ContainerUnknown', message: 'expected that one', table: [] };
    const message = await failsWith(status.PERMISSION_DENIED, first(client()));
    expect(message).toContain('ContainerUnknown: expected that one');
  });

  it('asks for the header before anything else', async () => {
    agent().open(volume());
    await failsWith(status.INVALID_ARGUMENT, first(client({})));
    await failsWith(status.INVALID_ARGUMENT, first(client({ 'workload.spiffe.io': 'false' })));
    expect(state.judged).toEqual([]);
  });

  it('does not offer WIT-SVIDs', async () => {
    agent().open(volume());
    await failsWith(status.UNIMPLEMENTED, client().serverStream(fetchWITSVID, {}).next());
    await failsWith(status.UNIMPLEMENTED, client().serverStream(fetchWITBundles, {}).next());
  });

  it('pushes a renewal and a new bundle, once each, and ends with the withdrawal', async () => {
    const api = agent();
    api.open(volume());
    const leaves = client().serverStream(fetchX509SVID, {});
    const bundles = client().serverStream(fetchX509Bundles, {});
    const [leaf, bundle] = [(await leaves.next()).value!, (await bundles.next()).value!];
    expect(Object.keys(bundle.bundles)).toEqual(['spiffe://edge.example']);
    const [nextLeaf, nextBundle] = [leaves.next(), bundles.next()];
    served.put('pod-1', 'till', made.credentials[1]!);
    const renewed = (await nextLeaf).value!;
    expect(renewed.svids[0]!.x509Svid).not.toEqual(leaf.svids[0]!.x509Svid);
    state.bundle += makeCredentials([]).authority;
    api.bundleChanged();
    expect((await nextBundle).value!.bundles['spiffe://edge.example']!.length).toBeGreaterThan(
      bundle.bundles['spiffe://edge.example']!.length,
    );
    expect((await leaves.next()).value!.svids[0]!.bundle.length).toBeGreaterThan(renewed.svids[0]!.bundle.length);
    state.refused = { state: 'Refused', reason: 'ImageDigestMismatch', message: 'm', passing: false };
    api.judgedAnew('pod-1');
    await failsWith(status.PERMISSION_DENIED, leaves.next());
    await failsWith(status.PERMISSION_DENIED, bundles.next());
  });

  it('ends with the volume: the file is gone, and so are the connections', async () => {
    const api = agent();
    const published = volume();
    api.open(published);
    const stream = client().serverStream(fetchX509SVID, {});
    await stream.next();
    api.close(published);
    expect(existsSync(`${short}/spiffe.sock`)).toBe(false);
    await failsWith(status.UNAVAILABLE, stream.next());
  });
});

describe('a client that names the path of the socket as the authority of its calls, as gRPC for Java does', () => {
  it('is served as any other', async () => {
    agent().open(volume());
    const socket = connect(`${short}/spiffe.sock`);
    const headers = callHeaders(methodPath(fetchX509Bundles), '/var/run/keystead/spiffe.sock');
    socket.write(Buffer.concat([PREFACE, settings(), frame(FRAME.headers, END_HEADERS, 1, headers)]));
    socket.write(frame(FRAME.data, END_STREAM, 1, Buffer.alloc(5)));
    let octets = Buffer.alloc(0);
    while (!octets.includes('spiffe://edge.example')) {
      octets = Buffer.concat([octets, ...((await once(socket, 'data')) as Buffer[])]);
    }
    socket.destroy();
  });
});

describe('over a restart of the agent', () => {
  it('the path always exists, and the same client is served by the next agent', async () => {
    const published = volume();
    const before = agent();
    before.open(published);
    const caller = client();
    await first(caller);
    const next = agent();
    next.resume([published, volume('pod-2')]);
    // The one before it ends late, as in a planned upgrade: what it leaves behind is not its own any more.
    before.stop();
    expect(existsSync(`${short}/spiffe.sock`)).toBe(true);
    expect((await firstWithin(1_000, caller)).svids).toHaveLength(1);
    // Only where there was a socket before.
    expect(existsSync(`${short}-pod-2/spiffe.sock`)).toBe(false);
  });

  it('a socket that nobody serves any more is replaced', async () => {
    const published = volume();
    const before = agent();
    before.open(published);
    before.stop();
    expect(existsSync(`${short}/spiffe.sock`)).toBe(true);
    await failsWith(status.UNAVAILABLE, first(client()));
    agent().resume([published]);
    expect((await first(client())).svids).toHaveLength(1);
  });
});

describe('a pod that asks too much', () => {
  it('is cut off at its limit of connections, and no other pod is', async () => {
    const api = agent();
    api.open(volume());
    api.open(volume('pod-2'));
    const open: Socket[] = [];
    for (let index = 0; index < 256; index++) {
      const socket = connect(`${short}/spiffe.sock`);
      await once(socket, 'connect');
      open.push(socket);
    }
    await failsWith(status.UNAVAILABLE, first(client()));
    expect((await first(client(undefined, `${short}-pod-2`))).svids).toHaveLength(1);
    for (const socket of open) socket.destroy();
    expect((await firstWithin(2_000, client())).svids).toHaveLength(1);
  });

  it('or speaks nonsense ends its own connection only', async () => {
    agent().open(volume());
    const stream = client().serverStream(fetchX509SVID, {});
    await stream.next();
    for (const nonsense of ['GET / HTTP/1.1\r\n\r\n', '\0'.repeat(100_000)]) {
      const socket = connect(`${short}/spiffe.sock`);
      socket.on('error', () => undefined).resume();
      socket.write(nonsense);
      await once(socket, 'close');
    }
    const next = stream.next();
    served.put('pod-1', 'till', made.credentials[1]!);
    expect((await next).value!.svids).toHaveLength(1);
  });
});
