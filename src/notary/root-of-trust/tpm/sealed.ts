// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { TPM_ALG, TPMA_OBJECT } from '../../../tpm/constants.ts';
import type { Entity } from './framing.ts';
import { create, load, unseal, type ObjectBlob } from './objects.ts';
import { pcrDigest, type PcrSelection, type PcrValues } from '../../../tpm/pcr-selection.ts';
import { readPcrs } from './pcr.ts';
import { NO_POLICY, pcrPolicy, provePcrs } from './policy.ts';
import { encodePublic, type PublicArea } from '../../../tpm/public-area.ts';
import { SESSION_HASH } from './session.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY } from '../../../tpm/writer.ts';

/** Data that this TPM gives back while the PCRs have the values that they were sealed to. */
export interface Sealed extends ObjectBlob {
  readonly selection: PcrSelection;
}

/** The most that a TPM seals (MAX_SYM_DATA, Part 2, 11.1.15). Longer secrets are encrypted under a sealed key. */
const MAX_BYTES = 128;

/** Seals data to PCR values: those of now unless told. */
export function seal(
  tpm: Tpm,
  parent: Entity,
  data: Buffer,
  to: { readonly selection: PcrSelection; readonly values?: PcrValues },
): Sealed {
  if (data.length === 0 || data.length > MAX_BYTES) {
    throw new KeysteadError('InvalidRequest', `sealing: expected 1 to ${MAX_BYTES} octets, found ${data.length}`);
  }
  const values = to.values ?? readPcrs(tpm, to.selection);
  const area: PublicArea = {
    type: TPM_ALG.keyedHash,
    nameAlgorithm: TPM_ALG.sha256,
    // Without userWithAuth nothing but the policy opens it.
    attributes: TPMA_OBJECT.fixedTpm | TPMA_OBJECT.fixedParent | TPMA_OBJECT.noDictionaryAttack,
    policy: pcrPolicy(NO_POLICY, to.selection, pcrDigest(SESSION_HASH, to.selection.pcrs, values)),
    scheme: undefined,
    unique: EMPTY,
  };
  const { publicArea, privateArea } = create(tpm, parent, encodePublic(area), { data });
  return { publicArea, privateArea, selection: to.selection };
}

/** Gives sealed data back. Throws PermissionDenied where the PCRs are not as then, KeyUnfit where another TPM sealed it. */
export function unsealData(tpm: Tpm, parent: Entity, sealed: Sealed): Buffer {
  return tpm.withTransient(load(tpm, parent, sealed), (object) =>
    tpm.withPolicySession((session) => {
      provePcrs(tpm, session, sealed.selection);
      return unseal(tpm, object, session);
    }),
  );
}
