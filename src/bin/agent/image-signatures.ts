// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeysteadError } from '../../errors.ts';
import { systemClock } from '../../os/clock.ts';
import { SignatureFolder } from '../../signature/folder-store.ts';
import { ImageSignatures } from '../../signature/image-signatures.ts';
import { registryAccess } from '../../signature/registry/access.ts';
import { RegistryClient } from '../../signature/registry/client.ts';
import { RegistrySignatures } from '../../signature/registry/store.ts';
import { trustMaterialOf } from '../../signature/sigstore.ts';
import type { SignatureConfiguration } from './configuration.ts';

/** Signatures of images from the node's folder, then from the registry; what was found is kept in the state folder. */
export function imageSignatures(configuration: SignatureConfiguration, stateDir: string): ImageSignatures {
  const { folder, trustedRoot } = configuration;
  const registry = new RegistrySignatures(new RegistryClient(registryAccess(configuration)));
  return new ImageSignatures({
    clock: systemClock,
    stores: [...(folder === '' ? [] : [new SignatureFolder(folder)]), registry],
    kept: new SignatureFolder(join(stateDir, 'signatures')),
    trust: trustedRoot === '' ? undefined : trustMaterialOf(read(trustedRoot)),
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KeysteadError('InvalidConfiguration', `KEYSTEAD_TRUSTED_ROOT ${path} cannot be read: ${String(cause)}`);
  }
}
