// SPDX-License-Identifier: Apache-2.0
import { DerReader } from '../../../issue/der-reader.ts';
import { TAG } from '../../../issue/der.ts';
import { ENDORSEMENT_KINDS, isEndorsementKey, type EndorsementAlgorithm } from '../../../tpm/endorsement-key.ts';
import { encodePublic } from '../../../tpm/public-area.ts';
import { readNv } from './nv-index.ts';
import { createPrimary, findPublic, type TpmObject } from './objects.ts';
import { proveSecret } from './policy.ts';
import type { AuthSession } from './session.ts';
import type { Tpm } from './tpm.ts';

/** Runs with the endorsement key: the persistent one where it lies at the reserved handle, else made and flushed again. */
export function withEndorsementKey<T>(tpm: Tpm, algorithm: EndorsementAlgorithm, run: (key: TpmObject) => T): T {
  const { template, handle } = ENDORSEMENT_KINDS[algorithm];
  const kept = findPublic(tpm, handle);
  if (kept && isEndorsementKey(kept.area, algorithm)) return run(kept);
  return tpm.withTransient(createPrimary(tpm, tpm.endorsement, encodePublic(template)), run);
}

/** Runs with a session that satisfies the endorsement key's policy. */
export function withEndorsementSession<T>(tpm: Tpm, run: (session: AuthSession) => T): T {
  return tpm.withPolicySession((session) => {
    proveSecret(tpm, session, tpm.endorsement);
    return run(session);
  });
}

/**
 * The maker's certificate of the endorsement key, DER, from its NV index; undefined where there is none. Whether it is
 * to be believed is for who has the maker's roots.
 */
export function endorsementCertificate(tpm: Tpm, algorithm: EndorsementAlgorithm): Buffer | undefined {
  const stored = readNv(tpm, ENDORSEMENT_KINDS[algorithm].certificateIndex);
  if (!stored) return undefined;
  // Some makers reserve more octets than the certificate has and fill them up.
  return new DerReader(stored).whole(TAG.sequence, 'EK certificate');
}
