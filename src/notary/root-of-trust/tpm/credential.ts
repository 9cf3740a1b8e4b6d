// SPDX-License-Identifier: Apache-2.0
import type { Credential } from '../../../tpm/credential.ts';
import { sized } from '../../../tpm/writer.ts';
import { withEndorsementSession } from './endorsement-key.ts';
import type { Entity } from './framing.ts';
import type { Tpm } from './tpm.ts';

/**
 * TPM2_ActivateCredential: the secret of a credential made for this endorsement key and `key`. Throws KeyUnfit where it
 * was made for others.
 */
export function activateCredential(tpm: Tpm, key: Entity, endorsementKey: Entity, credential: Credential): Buffer {
  return withEndorsementSession(tpm, (session) => {
    const { parameters } = tpm.execute('ActivateCredential', {
      handles: [key, endorsementKey],
      parameters: Buffer.concat([sized(credential.blob), sized(credential.encryptedSecret)]),
      sessions: [undefined, session],
    });
    const secret = parameters.sized();
    parameters.end();
    return secret;
  });
}
