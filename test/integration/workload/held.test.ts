// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createLogger } from '../../../src/log.ts';
import { Supervisor } from '../../../src/os/supervisor.ts';

/** A program under its supervisor, killed; and whoever connects meanwhile. */
let folder: string;
let pids: number[];
let stopping: AbortController;
let running: Promise<number>;

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-held-');
  pids = [];
  stopping = new AbortController();
});
afterEach(async () => {
  stopping.abort();
  await running;
  rmSync(folder, { recursive: true });
});

function supervise(...more: string[]): void {
  const supervisor = new Supervisor({
    arguments: [join(import.meta.dirname, 'held-child.ts'), folder, ...more],
    environment: process.env,
    log: createLogger('test', 'silent'),
    started: (pid) => pids.push(pid),
  });
  running = supervisor.run(stopping.signal);
}

const path = (): string => join(folder, 'spiffe.sock');

/** Connects once, and gives what the other end says; rejects where nobody listens. */
const ask = (): Promise<string> => text(connect(path()));

async function served(): Promise<string> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('while a supervised program restarts', () => {
  it('a connection waits, and the next process answers it at the same socket', async () => {
    supervise();
    expect(await served()).toBe(String(pids[0]));
    const { ino } = statSync(path());
    for (const round of [0, 1]) {
      process.kill(pids[round]!, 'SIGKILL');
      // From the moment that it is dead: without a holder these would be refused.
      const answers = await Promise.all([ask(), ask(), ask()]);
      const last = answers.at(-1);
      expect(last).toBe(String(pids[round + 1]));
      expect(statSync(path()).ino).toBe(ino);
    }
  }, 60_000);

  it('a socket that somebody has put another in place of is not served again', async () => {
    supervise();
    await served();
    const before = statSync(path()).ino;
    rmSync(path());
    process.kill(pids[0]!, 'SIGKILL');
    expect(await served()).toBe(String(pids[1]));
    expect(statSync(path()).ino).not.toBe(before);
  }, 60_000);

  it('one that ends again and again is given up with its own exit code', async () => {
    supervise('crash');
    expect(await running).toBe(3);
    expect(pids.length).toBeGreaterThan(2);
  }, 60_000);
});
