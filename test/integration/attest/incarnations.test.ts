// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { incarnationOf, Incarnations } from '../../../src/attest/incarnation.ts';
import { openPidfd, type Pidfd } from '../../../src/os/pidfd.ts';

let child: ChildProcess;
let pidfd: Pidfd;
let incarnations: Incarnations;

/** A shell that runs each line that it is told; resolves once it does. */
async function shell(): Promise<void> {
  child = spawn('/bin/sh', { stdio: ['pipe', 'pipe', 'ignore'] });
  await says('echo there', 'there');
  pidfd = openPidfd(child.pid!)!;
  incarnations = new Incarnations();
}

async function says(line: string, answer: string): Promise<void> {
  child.stdin!.write(`${line}\n`);
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  expect(chunk.toString()).toContain(answer);
}

afterEach(() => {
  pidfd.close();
  child.kill('SIGKILL');
});

describe('a program that is held', () => {
  it('has one name as long as it runs, that of any other look at it', async () => {
    await shell();
    const name = incarnations.of(pidfd);
    await says(':; /bin/true; (exit 3); echo on', 'on');
    expect(incarnations.of(pidfd)).toBe(name);
    expect(name).toBe(incarnationOf(child.pid!));
  });

  it.each([
    ['of another executable', 'exec /bin/cat'],
    ['of the same executable', 'exec /bin/sh'],
  ])('has another after an exec %s', async (_, line) => {
    await shell();
    const first = incarnations.of(pidfd);
    child.stdin!.write(`${line}\n`);
    while (incarnations.of(pidfd) === first) await setTimeout(5);
    await says('echo after', 'after');
    expect(incarnations.of(pidfd)).toBe(incarnationOf(child.pid!));
  });

  it('has none once the process has ended, as a zombie and afterwards', async () => {
    await shell();
    expect(incarnations.of(pidfd)).toBeDefined();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(incarnations.of(pidfd)).toBeUndefined();
  });

  it('has none where another process has its pid by now, and that one has its own', async () => {
    await shell();
    const first = incarnations.of(pidfd);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    // As after a reuse of the pid: what is kept is another process's.
    const self = { pid: child.pid!, alive: () => true };
    expect(incarnations.of(self)).toBeUndefined();
    const own = openPidfd(process.pid)!;
    expect(incarnations.of(own)).toBe(incarnationOf(process.pid));
    expect(incarnations.of(own)).not.toBe(first);
    own.close();
  });

  it('costs two descriptors for each of the last processes, and no more', async () => {
    await shell();
    const before = readdirSync('/proc/self/fd').length;
    for (let call = 0; call < 10; call++) incarnations.of(pidfd);
    expect(readdirSync('/proc/self/fd').length).toBe(before + 2);
    const sleepers = Array.from({ length: 300 }, () => spawn('/bin/sleep', ['60'], { stdio: 'ignore' }));
    for (const { pid = 0 } of sleepers) incarnations.of({ pid, alive: () => true });
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 2 * 256);
    expect(incarnations.of(pidfd)).toBe(incarnationOf(child.pid!));
    for (const sleeper of sleepers) sleeper.kill('SIGKILL');
  });
});
