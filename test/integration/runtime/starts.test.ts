// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerEvidence } from '../../../src/attest/port.ts';
import type { Image } from '../../../src/build/image/image.ts';
import { createLogger } from '../../../src/log.ts';
import { CriRuntime } from '../../../src/runtime/cri.ts';
import { hasExecuted } from '../../../src/runtime/execution.ts';
import type { HoldResult } from '../../../src/runtime/nri/hold.ts';
import type { ContainerEvent } from '../../../src/runtime/port.ts';
import { RuntimeStarts, type ContainerStartsOptions } from '../../../src/runtime/starts.ts';
import { readLab } from '../../lab/index.ts';
import { Pods } from './pods.ts';

jest.setTimeout(120_000);

interface Seen extends ContainerEvent {
  readonly at: number;
  readonly executable?: string;
}

let pods: Pods;
let runtime: CriRuntime;
let image: Image;
let reference: string;
beforeAll(async () => {
  pods = await new Pods().open();
  runtime = new CriRuntime(pods.lab.containerdSocket);
  image = await pods.image();
  reference = await pods.push(image, 'runtime-test/starts');
});
afterAll(async () => {
  runtime.close();
  await pods[Symbol.asyncDispose]();
});

let stop: AbortController;
let running: Promise<void>;
let seen: Seen[];
let holds: Map<string, HoldResult>;
beforeEach(() => {
  stop = new AbortController();
  seen = [];
  holds = new Map();
});
afterEach(async () => {
  stop.abort();
  await running;
});

/** Runs until the end of the test; resolves once connected. `starting` is what is done while a start is held. */
async function listen(
  starting: (event: ContainerEvent) => Promise<void> = () => Promise.resolve(),
  more: Partial<ContainerStartsOptions> = {},
): Promise<RuntimeStarts> {
  const starts = new RuntimeStarts({
    runtimeSocket: pods.lab.containerdSocket,
    ...(pods.lab.nriSocket !== null && { nriSocket: pods.lab.nriSocket }),
    runtime,
    log: createLogger('test', 'silent'),
    onHeld: (id, result) => holds.set(id, result),
    ...more,
  });
  const onEvent = async (event: ContainerEvent): Promise<void> => {
    const at = performance.now();
    seen.push({ ...event, at, ...(event.pid !== undefined && { executable: readlinkSync(`/proc/${event.pid}/exe`) }) });
    if (event.phase === 'Starting') await starting(event);
  };
  running = starts.run(onEvent, stop.signal);
  const wanted = more.nriSocket === undefined && 'nriSocket' in more ? 'TaskEvents' : 'Nri';
  await eventually(() => starts.connected && starts.kind === wanted);
  return starts;
}

async function eventually(check: () => boolean, milliseconds = 15_000): Promise<void> {
  const until = performance.now() + milliseconds;
  while (!check()) {
    if (performance.now() > until) throw new Error(`not within ${milliseconds} ms: ${check.toString()}`);
    await sleep(5);
  }
}

const of = (podUid: string, phase: string): Seen | undefined =>
  seen.find((event) => event.podUid === podUid && event.phase === phase);

/** When a process began, in clock ticks since boot. */
const startTime = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!;

// An old containerd has no NRI; there is nothing to be seen of it then.
(readLab().nriSocket === null ? describe.skip : describe)('container starts by NRI', () => {
  it('holds a start until the callback settles; the image is known meanwhile; the exit is told', async () => {
    let during: ContainerEvidence | undefined;
    let executedAtStarting: boolean | undefined;
    let milliseconds = 0;
    let released = 0;
    await listen(async ({ containerId, pid }) => {
      executedAtStarting = await hasExecuted(pid!);
      const begun = performance.now();
      during = await runtime.container(containerId);
      milliseconds = performance.now() - begun;
      await sleep(300);
      released = performance.now();
    });
    const pod = await pods.start('held', reference);
    await eventually(() => of(pod.uid, 'Started') !== undefined);
    const [starting, started] = [of(pod.uid, 'Starting')!, of(pod.uid, 'Started')!];

    expect(starting.executable).toMatch(/runc/);
    expect(executedAtStarting).toBe(false);
    expect(started.executable).toBe('/bin/busybox');
    expect(started.pid).toBe(starting.pid);
    expect(started.at).toBeGreaterThan(released);
    expect(during).toMatchObject({ id: starting.containerId, podUid: pod.uid });
    expect(during?.pid).toBeUndefined();
    expect(during?.image).toEqual({
      reference,
      index: image.index.digest,
      manifest: image.manifest.digest,
      config: image.config.digest,
    });
    expect(holds.get(starting.containerId)).toMatchObject({ release: 'Settled' });
    process.stdout.write(
      `container() during the hold, cold: ${milliseconds.toFixed(1)} ms; release to Started: ${(started.at - released).toFixed(1)} ms\n`,
    );

    const begun = performance.now();
    await pods.delete('held');
    const gone = (event: ContainerEvent): boolean =>
      event.phase === 'Exited' && event.containerId === started.containerId;
    await eventually(() => seen.some(gone));
    expect(seen.filter((event) => event.containerId === started.containerId).map(({ phase }) => phase)).toEqual([
      'Starting',
      'Started',
      'Exited',
    ]);
    expect(seen.find(gone)!.at).toBeGreaterThan(begun);
    expect(existsSync(`/proc/${started.pid!}`)).toBe(false);
  });

  it('lets a container start that is not prepared within the hold limit, and stays registered', async () => {
    const starts = await listen(() => new Promise(() => undefined), { holdMilliseconds: 200 });
    const pod = await pods.start('too-slow', reference);
    await eventually(() => of(pod.uid, 'Started') !== undefined);
    const held = holds.get(of(pod.uid, 'Starting')!.containerId)!;
    expect(held.release).toBe('TimedOut');
    expect(held.milliseconds).toBeGreaterThan(190);
    expect(held.milliseconds).toBeLessThan(500);
    expect(starts.kind).toBe('Nri');
  });

  it('lets a container start whose preparation throws', async () => {
    await listen(() => Promise.reject(new Error('no')));
    const pod = await pods.start('throws', reference);
    await eventually(() => of(pod.uid, 'Started') !== undefined);
    expect(holds.get(of(pod.uid, 'Starting')!.containerId)).toMatchObject({ release: 'Failed' });
  });

  it('tells of what runs already when it connects', async () => {
    const pod = await pods.start('before', reference);
    const runs: ContainerEvent[] = [];
    await listen(undefined, { onRunning: (event) => runs.push(event) });
    await eventually(() => of(pod.uid, 'Started') !== undefined);
    expect(of(pod.uid, 'Starting')).toBeUndefined();
    // By NRI, whoever was first to tell.
    await eventually(() => runs.some(({ podUid }) => podUid === pod.uid));
    const { pid, containerName } = runs.find(({ podUid }) => podUid === pod.uid)!;
    expect(startTime(pid!)).toMatch(/^\d+$/);
    expect(containerName).toBe('main');
  });
});

describe('container starts by task events', () => {
  it('tells of starts and exits without NRI, and of what is executed in a container', async () => {
    const starts = await listen(undefined, { nriSocket: undefined } as unknown as Partial<ContainerStartsOptions>);
    expect(starts.kind).toBe('TaskEvents');
    const pod = await pods.start('events', reference);
    const id = (await runtime.containersOf(pod.uid))[0]!;
    const about = (): string[] => seen.filter(({ containerId }) => containerId === id).map(({ phase }) => phase);
    await eventually(() => about().length === 1);
    expect(seen.find(({ containerId }) => containerId === id)).toMatchObject({ executable: '/bin/busybox' });

    // It lasts until the pod is deleted, so that its program can be looked at.
    const command = ['exec', 'events', '--', '/bin/busybox', 'sleep', '1000000'];
    const executed = pods.kubectl('-n', pods.namespace, ...command).catch(() => undefined);
    await eventually(() => about().length === 2);
    await pods.delete('events');
    await executed;
    await eventually(() => about().length === 3);
    expect(about()).toEqual(['Started', 'Entered', 'Exited']);
  });
});
