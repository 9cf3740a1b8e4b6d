// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG } from '../../../tpm/constants.ts';
import type { SignedAttest } from '../../../tpm/verify-quote.ts';
import { sized, u16 } from '../../../tpm/writer.ts';
import type { Entity } from './framing.ts';
import type { Creation } from './objects.ts';
import type { Tpm } from './tpm.ts';

/** TPM2_Certify: the attestation key states that `key` is loaded in the same TPM. */
export function certifyKey(tpm: Tpm, key: Entity, attestationKey: Entity, nonce: Buffer): SignedAttest {
  const input = Buffer.concat([sized(nonce), u16(TPM_ALG.null)]);
  const { parameters } = tpm.execute('Certify', { handles: [key, attestationKey], parameters: input });
  return { attest: parameters.sized(), signature: parameters.rest() };
}

/** TPM2_CertifyCreation: the attestation key states that this TPM made `key`, with this creation data. */
export function certifyCreation(
  tpm: Tpm,
  key: Entity,
  attestationKey: Entity,
  about: { readonly nonce: Buffer; readonly creation: Creation },
): SignedAttest {
  const { hash, ticket } = about.creation;
  const input = Buffer.concat([sized(about.nonce), sized(hash), u16(TPM_ALG.null), ticket]);
  const { parameters } = tpm.execute('CertifyCreation', { handles: [attestationKey, key], parameters: input });
  return { attest: parameters.sized(), signature: parameters.rest() };
}
