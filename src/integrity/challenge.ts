// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { EdgeDeviceSpecMeasuredBoot, EdgeDeviceStatusIntegrityChallenge } from '../api/v1alpha1/edge-device.ts';
import { timestamp } from '../identity/holding.ts';
import { makeCredential } from '../tpm/credential.ts';
import { checkAttestationKey } from '../tpm/attestation-key.ts';
import { nameOf, parsePublic } from '../tpm/public-area.ts';
import type { AttesterKeys } from './attester-keys.ts';

/** A challenge that waits for its answer. Lives in memory alone: whoever knew the secret could answer without the TPM. */
export interface OpenChallenge {
  readonly nonce: Buffer;
  readonly secret: Buffer;
  readonly pcrs: readonly number[];
  /** For which keys, and during which boot, it was made. */
  readonly keys: AttesterKeys;
  readonly bootID: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

const NONCE_BYTES = 32;
/** What firmware and boot loaders measure; IMA's PCR 10 grows all the time, and 16 on are not of the boot. */
const BOOT_PCRS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15];

/** PCRs to quote: those of the boot, the application's, and all that values are expected of. */
export function pcrsToQuote({ pcrs, applicationPCR }: EdgeDeviceSpecMeasuredBoot): number[] {
  const all = new Set([...BOOT_PCRS, applicationPCR, ...pcrs.map(({ index }) => index)]);
  return [...all].sort((a, b) => a - b);
}

/**
 * A new challenge: a nonce that the quote must hold, and a secret that only the TPM of the endorsement key gives, and only
 * while the attestation key is loaded in it. Throws AttestationDenied, KeyUnfit for keys that cannot be challenged.
 */
export function newChallenge(
  keys: AttesterKeys,
  about: { readonly pcrs: readonly number[]; readonly bootID: string; readonly now: number },
): { readonly open: OpenChallenge; readonly published: EdgeDeviceStatusIntegrityChallenge } {
  const area = parsePublic(keys.attestationKey, 'AttestationDenied');
  checkAttestationKey(area);
  const [nonce, secret] = [randomBytes(NONCE_BYTES), randomBytes(NONCE_BYTES)];
  const endorsementKey = parsePublic(keys.endorsementKey, 'AttestationDenied');
  const credential = makeCredential(endorsementKey, nameOf(keys.attestationKey, area.nameAlgorithm), secret);
  return {
    open: { nonce, secret, pcrs: about.pcrs, keys, bootID: about.bootID, at: about.now },
    published: {
      nonce: nonce.toString('base64'),
      time: timestamp(about.now),
      pcrs: [...about.pcrs],
      credential: credential.blob.toString('base64'),
      encryptedSecret: credential.encryptedSecret.toString('base64'),
    },
  };
}
