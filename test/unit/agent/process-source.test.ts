// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ProcessMeter } from '../../../src/attest/process.ts';
import { ProcessSource } from '../../../src/bin/agent/process-source.ts';
import { parseStart } from '../../../src/os/proc-format.ts';

let child: ChildProcess;
afterEach(() => void child.kill('SIGKILL'));

async function setting() {
  child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
  const pid = child.pid!;
  let list = [pid];
  const source = new ProcessSource(undefined as unknown as ProcessMeter, () => new Map([['place', list]]));
  const { startTime } = parseStart(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { source, pid, startTime, now: (pids: number[]) => (list = pids) };
}

describe('the list of processes', () => {
  it('is that of a moment ago, for all that ask for it', async () => {
    const { source, pid, now } = await setting();
    expect(source.of('place')).toEqual([pid]);
    now([pid, 7]);
    expect(source.of('place')).toEqual([pid]);
    source.lookAfresh();
    expect(source.of('place')).toEqual([pid, 7]);
  });

  it.each([
    ['has ended', '', true],
    ['had ended before', '0', false],
  ])('is a new one once a process %s, which may have left another behind', async (_when, other, runs) => {
    const { source, pid, startTime, now } = await setting();
    expect(source.of('place')).toEqual([pid]);
    now([8]);
    const ended = new Promise<void>((resolve) => {
      source.watchExit({ pid, startTime: startTime + other }, resolve);
    });
    expect(source.of('place')).toEqual([pid]);
    if (runs) child.kill('SIGKILL');
    await ended;
    expect(source.of('place')).toEqual([8]);
  });
});
