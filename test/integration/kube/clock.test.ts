// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Condition } from '../../../src/api/conditions.ts';
import { readLab } from '../../lab/index.ts';

const execute = promisify(execFile);
const CHILD = join(import.meta.dirname, 'clock-child.ts');

const folder = mkdtempSync(join(tmpdir(), 'keystead-clock-'));
const kubeconfig = join(folder, 'kubeconfig');
// The lab's certificates may be younger than an hour, and by a clock that is behind not yet valid.
beforeAll(() => {
  const trusting = readFileSync(readLab().kubeconfig, 'utf8').replace(
    /"certificate-authority-data": "[^"]+"/,
    '"insecure-skip-tls-verify": true',
  );
  writeFileSync(kubeconfig, trusting, { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a node says of its clock when it runs so many seconds ahead of the API server. */
async function clockCondition(seconds: number): Promise<{ condition: Condition; skewSeconds: number }> {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
  const faked = {
    LD_PRELOAD: library,
    FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const env = { ...process.env, KUBECONFIG: kubeconfig, NODE_OPTIONS: '', ...(seconds !== 0 && faked) };
  const { stdout } = await execute(process.execPath, [CHILD], { env });
  const status = JSON.parse(stdout) as { conditions: Condition[]; clockSkewSeconds: number };
  const condition = status.conditions.find(({ type }) => type === 'ClockSynchronized')!;
  return { condition, skewSeconds: status.clockSkewSeconds };
}

describe('the clock of a node, held against the API server', () => {
  it('that agrees is within tolerance', async () => {
    expect((await clockCondition(0)).condition).toMatchObject({ status: 'True', reason: 'WithinTolerance' });
  });

  it.each([
    [3600, 'ahead of'],
    [-3600, 'behind'],
  ])('that is %s s off is told with its direction', async (seconds, direction) => {
    const { condition, skewSeconds } = await clockCondition(seconds);
    expect(condition).toMatchObject({ status: 'False', reason: 'ClockSkewed' });
    expect(condition.message).toMatch(new RegExp(`(3590|3599|360[0-9]) s ${direction}`));
    expect(Math.abs(skewSeconds + seconds)).toBeLessThanOrEqual(10);
  });
});
