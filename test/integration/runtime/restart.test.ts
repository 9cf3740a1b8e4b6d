// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../../../src/log.ts';
import type { AliveContainer, ContainerEvent } from '../../../src/runtime/port.ts';
import { RuntimeStarts } from '../../../src/runtime/starts.ts';
import { labSettings } from '../../lab/settings.ts';
import { runtimePrograms } from '../../lab/containerd.ts';
import { PrivateContainerd, type ContainerdPrograms } from './private-containerd.ts';

jest.setTimeout(60_000);

const programsOf = (choice: 'current' | 'debian'): ContainerdPrograms => {
  const { containerd, runc } = runtimePrograms(labSettings(process.env), choice);
  return { folder: dirname(containerd), runc };
};

async function eventually(check: () => boolean, milliseconds = 15_000): Promise<number> {
  const begun = performance.now();
  while (!check()) {
    if (performance.now() - begun > milliseconds) throw new Error(`not within ${milliseconds} ms: ${check.toString()}`);
    await sleep(5);
  }
  return performance.now() - begun;
}

let containerd: PrivateContainerd;
let stop: AbortController;
let running: Promise<void>;
let seen: ContainerEvent[];
/** What the CRI would tell of; ctr's containers are none of the CRI's. */
let alive: AliveContainer[];

async function open(programs: ContainerdPrograms): Promise<RuntimeStarts> {
  containerd = new PrivateContainerd(programs);
  await containerd.start();
  seen = [];
  alive = [];
  stop = new AbortController();
  const starts = new RuntimeStarts({
    runtimeSocket: containerd.socket,
    nriSocket: containerd.nriSocket,
    runtime: { alive: () => Promise.resolve(alive) },
    log: createLogger('test', 'silent'),
  });
  running = starts.run((event) => {
    seen.push(event);
    return Promise.resolve();
  }, stop.signal);
  return starts;
}
afterEach(async () => {
  stop.abort();
  await running;
  await containerd[Symbol.asyncDispose]();
});

const phasesOf = (id: string): string[] => seen.filter((event) => event.containerId === id).map(({ phase }) => phase);

const current = programsOf('current');
(existsSync(current.folder) ? describe : describe.skip)('when containerd is killed and started again', () => {
  it('registers with NRI again at once and learns what it has missed', async () => {
    const starts = await open(current);
    await eventually(() => starts.kind === 'Nri');
    alive = ['stays', 'ends'].map((id) => ({ id, podUid: 'pod-1', running: true }));
    await containerd.run('stays', 'sleep 1000');
    await containerd.run('ends', 'sleep 1000');
    await eventually(() => phasesOf('stays').length === 1 && phasesOf('ends').length === 1);
    await containerd.kill();
    await eventually(() => !starts.connected);
    expect(starts.kind).toBe('TaskEvents');
    alive = [
      { id: 'stays', podUid: 'pod-1', running: true },
      { id: 'came', podUid: 'pod-2', running: true },
    ];
    await containerd.start();
    const registered = await eventually(() => starts.kind === 'Nri');
    process.stdout.write(`registered with NRI ${registered.toFixed(0)} ms after containerd answered again\n`);
    expect(registered).toBeLessThan(1500);
    await eventually(() => phasesOf('ends').includes('Exited'));
    expect(phasesOf('stays')).toEqual(['Started']);
    expect(seen.find(({ containerId }) => containerId === 'came')).toMatchObject({ phase: 'Started', podUid: 'pod-2' });

    alive = [...alive, { id: 'after', podUid: 'pod-3', running: true }];
    await containerd.run('after', 'sleep 1000');
    await eventually(() => phasesOf('after').includes('Started'));
    await containerd.remove('after');
    await eventually(() => phasesOf('after').includes('Exited'));
  });
});

const debian = programsOf('debian');
(existsSync(`${debian.folder}/containerd`) ? describe : describe.skip)('an old containerd without NRI', () => {
  it('tells of starts and exits by task events, before and after a restart', async () => {
    const starts = await open(debian);
    await eventually(() => starts.connected);
    expect(starts.kind).toBe('TaskEvents');
    alive = [{ id: 'long', podUid: 'pod', running: true }];
    await containerd.run('long', 'sleep 1000');
    await eventually(() => phasesOf('long').length === 1);
    await containerd.kill();
    await eventually(() => !starts.connected);
    await containerd.start();
    await eventually(() => starts.connected);
    await containerd.remove('long');
    await eventually(() => phasesOf('long').includes('Exited'));
  });
});
