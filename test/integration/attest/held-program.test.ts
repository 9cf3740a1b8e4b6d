// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { HeldProgram, incarnationOf } from '../../../src/attest/incarnation.ts';
import { openPidfd, type Pidfd } from '../../../src/os/pidfd.ts';

let child: ChildProcess;
let pidfd: Pidfd;
let program: HeldProgram;

/** A shell that runs each line that it is told; resolves once it does. */
async function shell(): Promise<void> {
  child = spawn('/bin/sh', { stdio: ['pipe', 'pipe', 'ignore'] });
  await says('echo there', 'there');
  pidfd = openPidfd(child.pid!)!;
  program = new HeldProgram(pidfd);
}

async function says(line: string, answer: string): Promise<void> {
  child.stdin!.write(`${line}\n`);
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  expect(chunk.toString()).toContain(answer);
}

afterEach(() => {
  program.close();
  pidfd.close();
  child.kill('SIGKILL');
});

describe('a program that is held', () => {
  it('has one name as long as it runs, that of any other look at it', async () => {
    await shell();
    const name = program.incarnation();
    await says(':; /bin/true; (exit 3); echo on', 'on');
    expect(program.incarnation()).toBe(name);
    expect(name).toBe(incarnationOf(child.pid!));
  });

  it.each([
    ['of another executable', 'exec /bin/cat'],
    ['of the same executable', 'exec /bin/sh'],
  ])('has another after an exec %s', async (_, line) => {
    await shell();
    const first = program.incarnation();
    child.stdin!.write(`${line}\n`);
    while (program.incarnation() === first) await setTimeout(5);
    await says('echo after', 'after');
    expect(program.incarnation()).toBe(incarnationOf(child.pid!));
  });

  it('has none once the process has ended, as a zombie and afterwards', async () => {
    await shell();
    expect(program.incarnation()).toBeDefined();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(program.incarnation()).toBeUndefined();
  });

  it('has none once it is closed with its pidfd, and leaves no descriptor open', async () => {
    const before = readdirSync('/proc/self/fd').length;
    await shell();
    const opened = readdirSync('/proc/self/fd').length;
    program.incarnation();
    expect(readdirSync('/proc/self/fd').length).toBe(opened + 2);
    program.close();
    expect(readdirSync('/proc/self/fd').length).toBe(opened);
    pidfd.close();
    expect(program.incarnation()).toBeUndefined();
    expect(before).toBeLessThan(opened);
  });
});
