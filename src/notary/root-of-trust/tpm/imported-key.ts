// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG } from '../../../tpm/constants.ts';
import { activateCredential } from './credential.ts';
import type { Credential } from '../../../tpm/credential.ts';
import type { Entity } from './framing.ts';
import type { ObjectBlob } from './objects.ts';
import { TpmReader } from '../../../tpm/reader.ts';
import type { Tpm } from './tpm.ts';
import { sized, u16 } from '../../../tpm/writer.ts';

/**
 * A symmetric key that a service wraps for one TPM (Azure DPS, "TPM attestation", `authenticationKey`): the inner key as
 * a credential for endorsement key and storage key, then the duplicate of the key itself.
 */
export interface WrappedKey {
  readonly credential: Credential;
  /** TPM2B_PRIVATE, TPM2B_ENCRYPTED_SECRET and TPM2B_PUBLIC without their lengths. */
  readonly duplicate: Buffer;
  readonly seed: Buffer;
  readonly publicArea: Buffer;
}

/** Reads what the service sent. Throws InvalidRequest. */
export function parseWrappedKey(octets: Buffer): WrappedKey {
  const reader = new TpmReader(octets, 'wrapped key', 'InvalidRequest');
  const credential = { blob: reader.sized(), encryptedSecret: reader.sized() };
  const fields = { duplicate: reader.sized(), seed: reader.sized(), publicArea: reader.sized() };
  reader.sized(); // encrypted data that nobody reads
  reader.end();
  return { credential, ...fields };
}

/**
 * Takes a wrapped key into this TPM, under `storageKey`: the result is a blob that only this TPM loads; the key itself
 * never is outside. Throws KeyUnfit where it was wrapped for another TPM.
 */
export function importKey(
  tpm: Tpm,
  keys: { readonly storage: Entity; readonly endorsement: Entity },
  wrapped: WrappedKey,
): ObjectBlob {
  const innerKey = activateCredential(tpm, keys.storage, keys.endorsement, wrapped.credential);
  const { parameters } = tpm.execute('Import', {
    handles: [keys.storage],
    parameters: Buffer.concat([
      sized(innerKey),
      sized(wrapped.publicArea),
      sized(wrapped.duplicate),
      sized(wrapped.seed),
      Buffer.concat([u16(TPM_ALG.aes), u16(8 * innerKey.length), u16(TPM_ALG.cfb)]),
    ]),
  });
  const privateArea = parameters.sized();
  parameters.end();
  return { privateArea, publicArea: wrapped.publicArea };
}
