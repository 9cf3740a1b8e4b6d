// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../../src/log.ts';
import { KeyOwner } from '../../../src/notary/root-of-trust/pkcs11/key-owner.ts';
import { Pkcs11Libraries } from '../../../src/notary/root-of-trust/pkcs11/library.ts';
import { PinGuard } from '../../../src/notary/root-of-trust/pkcs11/pin-guard.ts';
import { Pkcs11Root } from '../../../src/notary/root-of-trust/pkcs11/root.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { SoftHsm, softhsmLibrary } from '../softhsm/softhsm.ts';
import { setEnvironment } from './environment.ts';
import { ALL, type RootUnderTest } from './root-under-test.ts';

/** PKCS#11 over SoftHSM2. */
export function softHsmRoot(): Promise<RootUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-contract-'));
  const hsm = new SoftHsm(folder);
  hsm.makeToken('contract');
  setEnvironment(hsm.environment);
  const state = new StateFolder(join(folder, 'state'));
  const pins = new PinGuard(state);
  const libraries = new Pkcs11Libraries();
  return Promise.resolve({
    kind: 'PKCS11',
    missing: [],
    digests: ALL,
    secrets: true,
    ciphers: true,
    open: () => {
      const library = libraries.open(softhsmLibrary());
      const choice = { tokenLabel: 'contract' };
      const parts = { pins, owner: KeyOwner.of(state), log: createLogger('test', 'silent') };
      return new Pkcs11Root({ library, choice, pinFile: hsm.pinFile, ...parts });
    },
    restart: () => {
      libraries.finalize();
      return Promise.resolve();
    },
    remove: () => {
      libraries.finalize();
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
}
