// SPDX-License-Identifier: Apache-2.0
import { readSecretFile } from '../secret-file.ts';

/**
 * The PIN in a file. The buffer read is wiped; the string that PKCS#11 needs cannot be, so keep it no longer than the
 * login lasts. Throws InvalidConfiguration where there is none.
 */
export function readPin(path: string): string {
  const content = readSecretFile(path, 'user PIN');
  try {
    return content.toString('utf8');
  } finally {
    content.fill(0);
  }
}
