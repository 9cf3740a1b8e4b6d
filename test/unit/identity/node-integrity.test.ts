// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { nodeIntegrity } from '../../../src/identity/node-integrity.ts';

function device(mode: string | undefined, status?: string, bootID = 'this'): EdgeDevice {
  const condition = { type: 'IntegrityVerified', status, reason: 'R', message: 'M' };
  return {
    metadata: { name: 'node-1' },
    spec: { ...(mode !== undefined && { measuredBoot: { mode } }) },
    status: { conditions: status === undefined ? [] : [condition], integrity: { verified: { bootID } } },
  } as unknown as EdgeDevice;
}

describe('what a node may do by its measured boot', () => {
  it.each([
    ['without measured boot', device(undefined, 'False')],
    ['where it is only reported', device('Report', 'False')],
    ['without a device', undefined],
  ])('is not asked %s', (_, found) => {
    expect(nodeIntegrity(found, 'this')).toBeUndefined();
  });

  it.each([
    ['Pending', 'before the controller has judged', device('Enforce')],
    ['Pending', 'while the TPM does not answer', device('Enforce', 'Unknown')],
    ['Pending', 'after a reboot, until there is a quote of this boot', device('Enforce', 'True', 'before')],
    ['Verified', 'after a good quote of this boot', device('Enforce', 'True')],
    ['Refused', 'after a bad quote', device('Enforce', 'False')],
    ['Refused', 'after a bad quote, also of another boot', device('Enforce', 'False', 'before')],
  ])('is %s %s', (standing, _, found) => {
    expect(nodeIntegrity(found, 'this')).toMatchObject({ standing });
  });
});
