// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { TokenDescription } from './port.ts';

/** Shorter keys are too weak, and longer ones than SHA-256's block HMAC hashes first: no service has such keys. */
const [MIN_SECRET_BYTES, MAX_SECRET_BYTES] = [16, 64];

/** Throws InvalidRequest for a symmetric key that `RootOfTrust.importSecret` does not take. */
export function checkSecretLength(value: Buffer): void {
  if (value.length >= MIN_SECRET_BYTES && value.length <= MAX_SECRET_BYTES) return;
  const expected = `a symmetric key of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} octets`;
  throw new KeysteadError('InvalidRequest', `expected ${expected}, found ${value.length}`);
}

/** What roots of trust without `pkcs11:` URIs say to `RootOfTrust.findExisting`. */
export function noExistingKeys({ kind }: TokenDescription): KeysteadError {
  const remedy = 'use a PKCS#11 token (for a TPM by way of tpm2-pkcs11), or an issuer that makes its own key';
  return new KeysteadError('InvalidConfiguration', `a ${kind} root of trust has no keys by pkcs11: URI; ${remedy}`);
}
