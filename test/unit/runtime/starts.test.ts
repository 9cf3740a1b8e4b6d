// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TaskExitSchema, TaskStartSchema } from '../../../src/gen/containerd/events/task_pb.js';
import { Events } from '../../../src/gen/containerd/services/events/v1/events_pb.js';
import { Plugin } from '../../../src/gen/nri/api_pb.js';
import { GrpcServer } from '../../../src/grpc/server.ts';
import { listenAt } from '../../fakes/grpc-listener.ts';
import { createLogger } from '../../../src/log.ts';
import type { AliveContainer, ContainerEvent } from '../../../src/runtime/port.ts';
import { RuntimeStarts } from '../../../src/runtime/starts.ts';
import { FakeNri } from './fake-nri.ts';

let folder: string;
let end: () => void;
let emit: (envelope: { topic: string; event: { typeUrl: string; value: Uint8Array } }) => void;
let stop: AbortController;
let running: Promise<void>;
let seen: ContainerEvent[];
let alive: () => Promise<readonly AliveContainer[]>;

async function eventually(check: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !check(); i++) await sleep(5);
  expect(check()).toBe(true);
}

/** containerd's events service, without containerd. */
async function serve(): Promise<void> {
  const server = new GrpcServer();
  server.addService(Events, {
    async *subscribe(_, { signal }) {
      const queue: Parameters<typeof emit>[0][] = [];
      let wake = (): void => undefined;
      emit = (envelope) => {
        queue.push(envelope);
        wake();
      };
      signal.addEventListener('abort', () => wake());
      while (!signal.aborted) {
        yield* queue.splice(0);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  });
  end = await listenAt(`${folder}/containerd.sock`, server);
}

function open(nri: boolean): RuntimeStarts {
  const starts = new RuntimeStarts({
    runtimeSocket: `${folder}/containerd.sock`,
    ...(nri && { nriSocket: `${folder}/nri.sock` }),
    runtime: { alive: () => alive() },
    log: createLogger('test', 'silent'),
  });
  running = starts.run((event) => {
    seen.push(event);
    return event.containerId === 'bad' ? Promise.reject(new Error('no')) : Promise.resolve();
  }, stop.signal);
  return starts;
}

const started = (containerId: string): void =>
  emit({
    topic: '/tasks/start',
    event: {
      typeUrl: 'containerd.events.TaskStart',
      value: toBinary(TaskStartSchema, create(TaskStartSchema, { containerId, pid: 2 ** 30 })),
    },
  });
const exited = (containerId: string, id = containerId): void =>
  emit({
    topic: '/tasks/exit',
    event: {
      typeUrl: 'containerd.events.TaskExit',
      value: toBinary(TaskExitSchema, create(TaskExitSchema, { containerId, id })),
    },
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-starts-'));
  seen = [];
  alive = () => Promise.resolve([]);
  stop = new AbortController();
  await serve();
});
afterEach(async () => {
  stop.abort();
  await running;
  end();
  rmSync(folder, { recursive: true });
});

describe('container starts', () => {
  it('come from task events where there is no NRI, without what is executed in a container', async () => {
    const starts = open(true);
    await eventually(() => starts.connected);
    expect(starts.kind).toBe('TaskEvents');
    started('c1');
    await eventually(() => seen.length === 1);
    exited('c1', 'exec-1');
    emit({ topic: '/tasks/start', event: { typeUrl: '', value: Buffer.from([0xff]) } });
    exited('c1');
    exited('never-told-of');
    await eventually(() => seen.length === 2);
    expect(seen.map(({ phase, containerId }) => [phase, containerId])).toEqual([
      ['Started', 'c1'],
      ['Exited', 'c1'],
    ]);
  });

  it('are not told of once the container is gone', async () => {
    const starts = open(false);
    await eventually(() => starts.connected);
    started('brief');
    exited('brief');
    await eventually(() => seen.length === 1);
    expect(seen[0]!.phase).toBe('Exited');
  });

  it('are caught up with after the first connection, and the list is asked for until it comes', async () => {
    let asked = 0;
    alive = () => {
      asked++;
      if (asked === 1) return Promise.reject(new Error('not yet'));
      return Promise.resolve([{ id: 'c1', podUid: 'p', running: true }]);
    };
    open(false);
    await eventually(() => seen.length === 1);
    expect(seen).toEqual([{ phase: 'Started', containerId: 'c1', podUid: 'p' }]);
  });

  it('go on after a callback has thrown', async () => {
    const starts = open(false);
    await eventually(() => starts.connected);
    started('bad');
    started('good');
    await eventually(() => seen.length === 2);
    expect(starts.connected).toBe(true);
  });

  it('change over to NRI while it is there, and back', async () => {
    const starts = open(true);
    await eventually(() => starts.connected);
    expect(starts.kind).toBe('TaskEvents');
    const fake = await FakeNri.listen(`${folder}/nri.sock`);
    await eventually(() => fake.registered.length === 1);
    await fake.call(Plugin.method.configure, {});
    await fake.call(Plugin.method.synchronize, {});
    expect(starts.kind).toBe('Nri');

    const happening = { pod: { uid: 'p' }, container: { id: 'c1', pid: 2 ** 30 } };
    await fake.call(Plugin.method.startContainer, happening);
    started('c1');
    await fake.call(Plugin.method.postStartContainer, happening);
    await eventually(() => seen.length === 2);
    exited('c1');
    await eventually(() => seen.length === 3);
    await fake.call(Plugin.method.removeContainer, happening);
    expect(seen.map(({ phase, podUid }) => [phase, podUid])).toEqual([
      ['Starting', 'p'],
      ['Started', 'p'],
      ['Exited', 'p'],
    ]);

    await fake[Symbol.asyncDispose]();
    await eventually(() => starts.kind === 'TaskEvents');
    expect(starts.connected).toBe(true);
    started('c2');
    await eventually(() => seen.length === 4);
  });

  it('are subscribed to again after the runtime was away; what ended meanwhile is told', async () => {
    alive = () => Promise.resolve([{ id: 'c1', podUid: 'p', running: true }]);
    const starts = open(false);
    await eventually(() => starts.connected && seen.length === 1);
    await sleep(1300);
    end();
    await eventually(() => !starts.connected);
    alive = () => Promise.resolve([]);
    await serve();
    await eventually(() => seen.length === 2);
    expect(seen[1]).toEqual({ phase: 'Exited', containerId: 'c1', podUid: 'p' });
  });
});
