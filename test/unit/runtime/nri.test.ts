// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ContainerState, Event, Plugin } from '../../../src/gen/nri/api_pb.js';
import type { HoldResult } from '../../../src/runtime/nri/hold.ts';
import { StartRefused } from '../../../src/runtime/start-refused.ts';
import { NriSource } from '../../../src/runtime/nri/source.ts';
import type { ContainerEvent } from '../../../src/runtime/port.ts';
import { FakeNri } from './fake-nri.ts';

let folder: string;
let fake: FakeNri;
let source: NriSource;
let stop: AbortController;
let running: Promise<void>;
let events: ContainerEvent[];
let holds: HoldResult[];
let problems: string[];
let connections: number;
let onStarting: () => Promise<void>;

const START = { pod: { uid: 'pod-1' }, container: { id: 'c1', name: 'main', pid: 42 } };

async function eventually(check: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !check(); i++) await sleep(5);
  expect(check()).toBe(true);
}

/** What a runtime does with a plugin that has registered. */
async function admit(requestTimeout = 2000n): Promise<number> {
  const { answer } = await fake.call(Plugin.method.configure, { runtimeName: 'fake', requestTimeout });
  await fake.call(Plugin.method.synchronize, { more: false });
  return answer.events;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-nri-'));
  [events, holds, problems, connections] = [[], [], [], 0];
  onStarting = () => Promise.resolve();
  fake = await FakeNri.listen(join(folder, 'nri.sock'));
  source = new NriSource(join(folder, 'nri.sock'), {
    name: 'keystead',
    index: '90',
    holdMilliseconds: 300,
    onHeld: (_, result) => holds.push(result),
    onProblem: (message) => problems.push(message),
  });
  stop = new AbortController();
  const event = async (event: ContainerEvent): Promise<void> => {
    events.push(event);
    if (event.phase === 'Starting') await onStarting();
  };
  running = source.run({ event, connected: () => connections++ }, stop.signal);
  await eventually(() => fake.registered.length === 1);
});
afterEach(async () => {
  stop.abort();
  await running;
  await fake[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('registration', () => {
  it('gives name and index, and asks for starts and ends only', async () => {
    expect(fake.registered[0]).toMatchObject({ pluginName: 'keystead', pluginIdx: '90' });
    expect(source.connected).toBe(false);
    const bit = (event: Event): number => 1 << (event - 1);
    expect(await admit()).toBe(
      bit(Event.START_CONTAINER) |
        bit(Event.POST_START_CONTAINER) |
        bit(Event.STOP_CONTAINER) |
        bit(Event.REMOVE_CONTAINER),
    );
    expect(source.connected).toBe(true);
    expect(connections).toBe(1);
  });

  it('takes the state of the node in parts and tells of what runs', async () => {
    const [run, made] = [ContainerState.CONTAINER_RUNNING, ContainerState.CONTAINER_CREATED];
    const pods = [{ id: 's1', uid: 'pod-1' }];
    const first = await fake.call(Plugin.method.synchronize, {
      pods,
      containers: [{ id: 'c1', podSandboxId: 's1', state: run, pid: 7 }],
      more: true,
    });
    expect(first.answer.more).toBe(true);
    expect(source.connected).toBe(false);
    const containers = [
      { id: 'c2', podSandboxId: 's1', state: made },
      { id: 'c3', podSandboxId: 's1', state: run },
    ];
    const last = await fake.call(Plugin.method.synchronize, { containers, more: false });
    expect(last.answer.more).toBe(false);
    const pod = { namespace: '', name: '', annotations: {} };
    expect(events).toEqual([
      { phase: 'Started', containerId: 'c1', podUid: 'pod-1', pid: 7, containerName: '', pod },
      { phase: 'Started', containerId: 'c3', podUid: 'pod-1', containerName: '', pod },
    ]);
  });

  it('comes again when the runtime closes it, and when it is refused', async () => {
    await admit();
    fake.drop();
    await eventually(() => fake.registered.length === 2);
    expect(source.connected).toBe(false);
    await admit();
    expect(connections).toBe(2);
    fake.refuse = true;
    fake.drop();
    await eventually(() => fake.registered.length >= 4);
    fake.refuse = false;
    const before = fake.registered.length;
    await eventually(() => fake.registered.length > before);
    await admit();
    expect(source.connected).toBe(true);
  });

  it('finds the runtime again after its socket was away', async () => {
    await admit();
    await fake[Symbol.asyncDispose]();
    await sleep(100);
    fake = await FakeNri.listen(join(folder, 'nri.sock'));
    await eventually(() => fake.registered.length === 1);
    await admit();
    expect(source.connected).toBe(true);
  });
});

describe('a start', () => {
  it('is held until the callback settles', async () => {
    await admit();
    let release = (): void => undefined;
    onStarting = () => new Promise((resolve) => (release = resolve));
    let answered = false;
    const start = fake.call(Plugin.method.startContainer, START).then((result) => {
      answered = true;
      return result;
    });
    await sleep(100);
    const pod = { namespace: '', name: '', annotations: {} };
    const told = { containerName: 'main', pod, holdMilliseconds: 300 };
    expect(events).toEqual([{ phase: 'Starting', containerId: 'c1', podUid: 'pod-1', pid: 42, ...told }]);
    expect(answered).toBe(false);
    release();
    expect((await start).code).toBe(0);
    expect(holds[0]).toMatchObject({ release: 'Settled' });
    expect(holds[0]!.milliseconds).toBeGreaterThan(90);
  });

  it('is refused where that is what the callback wants, and the connection stays', async () => {
    await admit();
    onStarting = () => Promise.reject(new StartRefused('ImageDigestMismatch: expected a'));
    const refused = await fake.call(Plugin.method.startContainer, START);
    expect(refused.code).not.toBe(0);
    expect(refused.message).toContain('ImageDigestMismatch: expected a');
    expect(source.connected).toBe(true);
    onStarting = () => Promise.resolve();
    expect((await fake.call(Plugin.method.startContainer, START)).code).toBe(0);
  });

  it('is released when the limit passes', async () => {
    await admit();
    onStarting = () => new Promise(() => undefined);
    expect((await fake.call(Plugin.method.startContainer, START)).code).toBe(0);
    expect(holds[0]!.release).toBe('TimedOut');
    expect(holds[0]!.milliseconds).toBeGreaterThan(280);
    expect(problems[0]).toContain('c1 starts unprepared');
  });

  it('is held no longer than three quarters of the time that the runtime grants', async () => {
    await admit(100n);
    onStarting = () => new Promise(() => undefined);
    await fake.call(Plugin.method.startContainer, START);
    expect(holds[0]!.milliseconds).toBeLessThan(100);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ])('is released with a good answer when the callback %s', async (_, callback) => {
    await admit();
    onStarting = callback;
    expect((await fake.call(Plugin.method.startContainer, START)).code).toBe(0);
    expect(holds[0]!.release).toBe('Failed');
  });

  it('is let go with a good answer when its request cannot be read', async () => {
    await admit();
    expect((await fake.call(Plugin.method.startContainer, {}, Buffer.from([0xff, 0xff, 0xff]))).code).toBe(0);
    expect((await fake.call(Plugin.method.startContainer, {})).code).toBe(0);
    expect(events).toEqual([]);
  });

  it('does not hold up another', async () => {
    await admit();
    onStarting = () => (events.length === 1 ? new Promise(() => undefined) : Promise.resolve());
    const slow = fake.call(Plugin.method.startContainer, START);
    await fake.call(Plugin.method.startContainer, { container: { id: 'c2' } });
    expect(holds).toHaveLength(1);
    await slow;
    expect(holds).toHaveLength(2);
  });

  it('is told of by runtimes of before NRI 0.12 as a change of state', async () => {
    await admit();
    for (const event of [
      Event.START_CONTAINER,
      Event.POST_START_CONTAINER,
      Event.REMOVE_CONTAINER,
      Event.RUN_POD_SANDBOX,
    ])
      await fake.call(Plugin.method.stateChange, { event, ...START });
    expect(events.map(({ phase }) => phase)).toEqual(['Starting', 'Started', 'Exited']);
  });
});

describe('what the runtime sends wrongly', () => {
  it('an unknown method is refused as unimplemented and changes nothing', async () => {
    await admit();
    const unknown = { ...Plugin.method.shutdown, name: 'Unheard' };
    expect((await fake.call(unknown, {})).code).toBe(12);
    expect(source.connected).toBe(true);
  });

  it.each([
    ['an oversized frame', Buffer.from([0, 0, 0, 1, 0xff, 0, 0, 0])],
    ['an oversized message', Buffer.from([0, 0, 0, 1, 0, 0, 0, 10, 0xff, 0, 0, 0, 0, 0, 0, 1, 1, 1])],
    ['a request that is no request', Buffer.from([0, 0, 0, 1, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 1, 1, 1, 0xff, 0xff])],
  ])('%s ends the connection, and a new one is made', async (_, bytes) => {
    await admit();
    fake.write(bytes);
    await eventually(() => fake.registered.length === 2);
    await admit();
    expect(source.connected).toBe(true);
  });

  it('connections and messages of other kinds are passed by', async () => {
    await admit();
    fake.write(Buffer.from([0, 0, 0, 9, 0, 0, 0, 2, 1, 2]));
    fake.write(Buffer.from([0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0]));
    await fake.call(Plugin.method.postStartContainer, START);
    expect(events).toHaveLength(1);
    expect(fake.registered).toHaveLength(1);
  });
});
