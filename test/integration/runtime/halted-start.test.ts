// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { HaltedStart, leftHalted } from '../../../src/runtime/halted-start.ts';
import { until } from '../../quickstart/kubectl.ts';

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

const stateOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.slice(0, 1);
const becomes = (pid: number, state: string): Promise<unknown> =>
  until(`state ${state} of ${pid}`, 10, () => Promise.resolve(stateOf(pid) === state ? { state } : stateOf(pid)));

/** A process that was forked and has executed nothing, as runc's in a container that is created; and its parent. */
async function forked(): Promise<{ readonly pid: number; readonly parent: number }> {
  const parent = spawn('python3', ['-c', 'import os,time\nos.fork()\ntime.sleep(1000)'], { stdio: 'ignore' });
  started.push(parent);
  const children = `/proc/${parent.pid}/task/${parent.pid}/children`;
  return until('a child', 10, () => {
    const pid = Number(readFileSync(children, 'utf8'));
    return Promise.resolve(pid > 0 ? { pid, parent: parent.pid! } : 'none');
  });
}

describe('a process that has not executed its program', () => {
  it('is stopped, found by the next agent, and goes on when it is let go', async () => {
    const { pid, parent } = await forked();
    const halted = HaltedStart.halt(pid);
    await becomes(pid, 'T');
    const created = { id: 'c', podUid: 'p', running: false };
    expect(leftHalted([created], () => [parent, pid])).toEqual([{ ...created, pid }]);
    expect(leftHalted([{ ...created, running: true }], () => [parent, pid])).toEqual([]);
    halted!.release();
    await becomes(pid, 'S');
    expect(leftHalted([created], () => [parent, pid])).toEqual([]);
    process.kill(pid, 'SIGKILL');
  });

  it('never goes on where it is refused', async () => {
    const { pid } = await forked();
    HaltedStart.halt(pid)!.kill();
    // Its parent does not ask after it.
    await becomes(pid, 'Z');
  });
});

describe('a process that executes its program', () => {
  it('is not stopped', async () => {
    const { parent } = await forked();
    expect(HaltedStart.halt(parent)).toBeUndefined();
    await becomes(parent, 'S');
  });

  it('is nothing once it is gone', () => {
    expect(HaltedStart.halt(4_194_305)).toBeUndefined();
  });
});
