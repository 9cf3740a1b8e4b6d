// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { TPM_ALG } from './constants.ts';
import { hasAttributes, type PublicArea } from './public-area.ts';

/**
 * Throws AttestationDenied unless a public area is that of an attestation key: made in a TPM, unable to leave it, and
 * restricted to what the TPM made. That it is in a certain TPM only credential activation proves.
 */
export function checkAttestationKey(area: PublicArea): void {
  const needed = ['fixedTpm', 'fixedParent', 'sensitiveDataOrigin', 'restricted', 'sign'] as const;
  const missing = needed.filter((bit) => !hasAttributes(area, bit));
  const wrong = [
    ...missing.map((bit) => `not ${bit}`),
    ...(hasAttributes(area, 'decrypt') ? ['decrypt'] : []),
    ...(area.type === TPM_ALG.keyedHash ? ['a secret key'] : []),
  ];
  if (wrong.length === 0) return;
  const expected = 'a restricted signing key that was made in a TPM and cannot leave it';
  throw new KeysteadError('AttestationDenied', `AttestationKeyUnfit: expected ${expected}, found ${wrong.join(', ')}`);
}
