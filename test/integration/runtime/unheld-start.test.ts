// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { uptime } from 'node:os';
import { endUnheld } from '../../../src/runtime/unheld-start.ts';

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

async function program(): Promise<{ readonly child: ChildProcess; readonly pid: number }> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  started.push(child);
  await once(child, 'spawn');
  return { child, pid: child.pid! };
}

describe('a start that was not held', () => {
  it('is ended', async () => {
    const since = uptime() - 1;
    const { child, pid } = await program();
    const ended = once(child, 'exit');
    expect(endUnheld(pid, since, (each) => each === pid)).toBe(true);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(endUnheld(pid, since, () => true)).toBe(false);
  });

  it.each([
    ['it came before there was a record', (now: number) => now + 1, true],
    ['the pid is that of another by now', (now: number) => now - 1, false],
  ])('is left alone where %s', async (_, since, isOfContainer) => {
    const { child, pid } = await program();
    expect(endUnheld(pid, since(uptime()), () => isOfContainer)).toBe(false);
    expect(child.exitCode).toBeNull();
    expect(child.signalCode).toBeNull();
  });
});
