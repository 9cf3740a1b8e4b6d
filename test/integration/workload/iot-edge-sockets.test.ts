// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import { createLogger } from '../../../src/log.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { Callers } from '../../../src/workload/callers.ts';
import { IotEdgeApi } from '../../../src/workload/iotedge/iot-edge-api.ts';
import type { IotEdgePorts } from '../../../src/workload/iotedge/port.ts';

const incarnations = new Incarnations();

const ALLOWED = { allowed: true, module: {}, table: [] } as unknown as Verdict;
const PATH = '/modules/modA/genid/1/sign?api-version=2018-06-28';
const BODY = JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: 'AAAA' });
/** Connections that one pod may have, and those that may be open beyond only to be told. */
const [MOST, TOLD] = [256, 64];
let folder: string;
let state: { verdict: Verdict; judged: [string, number][]; gate: Promise<void>; signed: number };
let running: IotEdgeApi[];

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-iotedge-');
  state = { verdict: ALLOWED, judged: [], gate: Promise.resolve(), signed: 0 };
  running = [];
});
afterEach(() => {
  for (const api of running) api.stop();
  rmSync(folder, { recursive: true });
});

function volume(podUid = 'pod-1'): PublishedVolume {
  const targetPath = join(folder, podUid);
  mkdirSync(targetPath, { recursive: true });
  return { volumeId: `volume-${podUid}`, targetPath, podUid, podNamespace: 'shop', podName: 'p', attributes: {} };
}

const socketOf = (podUid = 'pod-1'): string => join(folder, podUid, 'workload.sock');

function agent(): IotEdgeApi {
  const judge = (podUid: string, pid: number): Promise<Verdict> => {
    state.judged.push([podUid, pid]);
    return Promise.resolve(state.verdict);
  };
  const ports: Pick<IotEdgePorts, 'modules' | 'sign' | 'bundle'> = {
    modules: () => [{ identity: 'a', namespace: 'shop', moduleId: 'modA', generationId: '1', keys: 'Derived' }],
    sign: async () => {
      await state.gate;
      state.signed += 1;
      return Buffer.from('digest');
    },
    bundle: () => 'ANCHORS',
  };
  const api = new IotEdgeApi({
    callers: new Callers({ ports: { judge } }),
    incarnationOf: (process) => incarnations.of(process),
    ports: ports as IotEdgePorts,
    log: createLogger('test', 'silent'),
    held: new HeldSockets(),
    socket: 'workload.sock',
    identityAttribute: 'identity',
  });
  running.push(api);
  return api;
}

/** Status of a call; 0 where the connection ended without an answer. */
function sign(podUid?: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) };
    const call = request(
      { socketPath: socketOf(podUid), path: PATH, method: 'POST', headers, agent: false },
      (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    call.once('error', () => resolve(0));
    call.end(BODY);
  });
}

async function opened(count: number, podUid?: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () =>
    connect(socketOf(podUid))
      .on('error', () => undefined)
      .resume(),
  );
  await Promise.all(
    sockets.map((socket) => Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closing(socket)])),
  );
  return sockets;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is still referred to; the resident set also holds what the allocator keeps for later. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Also where it ends with an error, as one that was cut off does. */
const closing = (socket: Socket): Promise<void> =>
  socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));

const becomes = async (what: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 10));
};

describe('the socket in a pod volume', () => {
  it('serves any HTTP client, known by its own pid and by whose socket it is', async () => {
    agent().open(volume());
    const args = ['-s', '--unix-socket', socketOf(), '-d', BODY, '-H', 'Content-Type: application/json'];
    const child = promisify(execFile)('curl', [...args, `http://localhost${PATH}`]);
    expect(JSON.parse((await child).stdout)).toEqual({ digest: Buffer.from('digest').toString('base64') });
    expect(state.judged).toEqual([['pod-1', child.child.pid]]);
    expect(statSync(socketOf()).mode & 0o777).toBe(0o666);
  });

  it('refuses a process that is not the module, and does not sign', async () => {
    agent().open(volume());
    state.verdict = { allowed: false, reason: 'ContainerUnknown', message: 'expected that one', table: [] };
    expect(await sign()).toBe(403);
    expect(state.signed).toBe(0);
  });

  it('ends with the volume', async () => {
    const api = agent();
    api.open(volume());
    const [idle] = await opened(1);
    const closed = closing(idle!);
    api.close(volume());
    await closed;
    expect(existsSync(socketOf())).toBe(false);
  });
});

describe('when the next agent takes over', () => {
  it('the path always exists, calls that are open are answered, new ones go to the next', async () => {
    const before = agent();
    before.open(volume());
    let open = (): void => undefined;
    state.gate = new Promise((resolve) => (open = resolve));
    const held = sign();
    await becomes(() => before.connections === 1 && state.judged.length === 1);
    const next = agent();
    next.resume([volume(), volume('pod-2')]);
    const drained = before.drain(5_000);
    state.gate = Promise.resolve();
    expect(await sign()).toBe(200);
    open();
    expect(await held).toBe(200);
    await drained;
    before.stop();
    expect(await sign()).toBe(200);
    // Only where there was a socket before.
    expect(existsSync(socketOf('pod-2'))).toBe(false);
  });
});

describe('a pod that asks too much', () => {
  it('of ten thousand connections has only its own, and no other pod notices', async () => {
    const api = agent();
    api.open(volume());
    api.open(volume('pod-2'));
    const kept = await opened(MOST);
    const before = heldBytes();
    for (let batch = 0; batch < 40; batch++) {
      const more = await opened(250);
      expect(await sign('pod-2')).toBe(200);
      expect(api.connections).toBeLessThanOrEqual(MOST + 1);
      for (const socket of more) socket.destroy();
    }
    for (const socket of kept) socket.destroy();
    await becomes(async () => (await sign()) === 200);
    await becomes(() => heldBytes() - before < 8 * 1024 * 1024);
  }, 60_000);

  it('is told so while not too many are, and hung up on otherwise', async () => {
    agent().open(volume());
    const kept = await opened(MOST);
    const statuses = await Promise.all(Array.from({ length: 3 * TOLD }, () => sign()));
    expect(statuses.filter((status) => status !== 0 && status !== 429)).toEqual([]);
    expect(statuses).toContain(429);
    for (const socket of kept) socket.destroy();
  }, 30_000);

  it('and says nothing loses its connections, and can call again', async () => {
    const api = agent();
    api.open(volume());
    const silent = await opened(MOST);
    await Promise.all(silent.map(closing));
    await becomes(async () => (await sign()) === 200);
  }, 30_000);

  it('and sends bodies without end has each cut off, with nothing kept', async () => {
    agent().open(volume());
    const before = heldBytes();
    const senders = await opened(64);
    const replies = senders.map(async (socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.write(`POST ${PATH} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n`);
      const closed = closing(socket);
      const chunk = `${(64 * 1024).toString(16)}\r\n${'A'.repeat(64 * 1024)}\r\n`;
      while (socket.writable && chunks.length === 0) {
        socket.write(chunk);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await closed;
      return Buffer.concat(chunks).toString();
    });
    for (const reply of await Promise.all(replies)) expect(reply).toMatch(/^HTTP\/1\.1 413 /);
    // Each sender's own end holds a little too, until it is closed and collected.
    await becomes(() => heldBytes() - before < 8 * 1024 * 1024);
    expect(state.signed).toBe(0);
    expect(await sign()).toBe(200);
  }, 30_000);
});
