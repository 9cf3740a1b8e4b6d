// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { openPidfd, watchExit, type Pidfd } from '../../../src/os/pidfd.ts';
import { eventually } from './container.ts';

function sleeping(): { child: ChildProcess; pidfd: Pidfd } {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const pidfd = openPidfd(child.pid!);
  if (pidfd === undefined) throw new Error('the child has ended');
  return { child, pidfd };
}

function exitOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('exit', resolve));
}

describe('pidfd', () => {
  it('tells whether its process lives', async () => {
    const { child, pidfd } = sleeping();
    expect(pidfd.alive()).toBe(true);
    const ended = exitOf(child);
    child.kill('SIGKILL');
    await ended;
    expect(pidfd.alive()).toBe(false);
    pidfd.close();
  });

  it('is not to be had for a process that is not there', () => {
    expect(openPidfd(4_194_305)).toBeUndefined();
  });

  it('is closed once, and then counts as not alive', () => {
    const before = readdirSync('/proc/self/fd').length;
    const { child, pidfd } = sleeping();
    pidfd.close();
    pidfd.close();
    expect(pidfd.alive()).toBe(false);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    child.kill('SIGKILL');
  });

  it('throws for a thread that is no process', () => {
    expect(() => openPidfd(-1)).toThrow(/failed with EINVAL/);
  });
});

describe('watchExit', () => {
  it('calls once within 500 ms after the end', async () => {
    const { child, pidfd } = sleeping();
    let calls = 0;
    const called = new Promise<number>((resolve) => {
      watchExit(pidfd, () => {
        calls++;
        resolve(performance.now());
      });
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls).toBe(0);
    const killed = performance.now();
    child.kill('SIGKILL');
    expect((await called) - killed).toBeLessThan(500);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls).toBe(1);
    pidfd.close();
  });

  it('calls also where the process had ended before, but not at once', async () => {
    const { child, pidfd } = sleeping();
    const ended = exitOf(child);
    child.kill('SIGKILL');
    await ended;
    let called = false;
    watchExit(pidfd, () => (called = true));
    expect(called).toBe(false);
    await eventually(() => called);
    pidfd.close();
  });

  it('does not call after it was stopped or the pidfd was closed', async () => {
    const [stopped, closed, witness] = [sleeping(), sleeping(), sleeping()];
    const called: string[] = [];
    const stop = watchExit(stopped.pidfd, () => called.push('stopped'));
    watchExit(closed.pidfd, () => called.push('closed'));
    watchExit(witness.pidfd, () => called.push('witness'));
    stop();
    closed.pidfd.close();
    for (const { child } of [stopped, closed, witness]) child.kill('SIGKILL');
    await eventually(() => called.length > 0);
    expect(called).toEqual(['witness']);
    for (const { pidfd } of [stopped, witness]) pidfd.close();
  });

  it('calls every watcher of a pidfd', async () => {
    const { child, pidfd } = sleeping();
    const called: number[] = [];
    for (const watcher of [1, 2, 3]) watchExit(pidfd, () => called.push(watcher));
    child.kill('SIGKILL');
    await eventually(() => called.length === 3);
    expect(called).toEqual([1, 2, 3]);
    pidfd.close();
  });
});
