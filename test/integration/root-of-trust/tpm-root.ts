// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { TpmRoot } from '../../../src/notary/root-of-trust/tpm/root.ts';
import { requireTools, SoftTpm } from '../swtpm/swtpm.ts';
import { ALL, type RootUnderTest } from './root-under-test.ts';

/** A TPM 2.0 natively, over swtpm. */
export async function tpmRoot(): Promise<RootUnderTest> {
  requireTools();
  const soft = await SoftTpm.started({ unix: true });
  const folder = soft.path('keys');
  mkdirSync(folder);
  return {
    kind: 'TPM',
    missing: ['RSA-4096'],
    digests: ALL,
    secrets: true,
    ciphers: false,
    open: () => new TpmRoot({ tpm: soft.open(), folder }),
    restart: () => soft.restart(),
    remove: () => soft.remove(),
  };
}
