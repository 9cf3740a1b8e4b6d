// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SoftwareRoot } from '../../../src/notary/root-of-trust/software/root.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import type { RootUnderTest } from './root-under-test.ts';

/** Keys in files. */
export function softwareRoot(): Promise<RootUnderTest> {
  const path = mkdtempSync(join(tmpdir(), 'keystead-contract-'));
  return Promise.resolve({
    kind: 'Software',
    missing: [],
    digests: ['RSA-2048', 'RSA-3072', 'RSA-4096'],
    secrets: true,
    ciphers: true,
    open: () => new SoftwareRoot({ folder: new StateFolder(path), passphrase: Buffer.from('a passphrase') }),
    restart: () => Promise.resolve(),
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
}
