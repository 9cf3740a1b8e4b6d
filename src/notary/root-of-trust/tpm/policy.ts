// SPDX-License-Identifier: Apache-2.0
import { COMMANDS } from './command-table.ts';
import { permanent, type Entity } from './framing.ts';
import { digest } from '../../../tpm/key-derivation.ts';
import { encodeSelection, type PcrSelection } from '../../../tpm/pcr-selection.ts';
import { AuthSession, SESSION_HASH } from './session.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY, sized, u32 } from '../../../tpm/writer.ts';

/** Policy digest of a session in which nothing was proven yet (Part 1, 19.7.1). */
export const NO_POLICY: Buffer = Buffer.alloc(32);

/** Policy digest after TPM2_PolicyPCR (Part 3, 23.7). `values` is the digest over the PCRs (`pcrDigest`). */
export function pcrPolicy(before: Buffer, selection: PcrSelection, values: Buffer): Buffer {
  return digest(SESSION_HASH, before, u32(COMMANDS.PolicyPCR.code), encodeSelection([selection]), values);
}

/** Policy digest after TPM2_PolicySecret without reference (Part 3, 23.4). */
export function secretPolicy(before: Buffer, entityName: Buffer): Buffer {
  const first = digest(SESSION_HASH, before, u32(COMMANDS.PolicySecret.code), entityName);
  return digest(SESSION_HASH, first);
}

/** Proves in a policy session that the PCRs are as they are now. Empty `values`: whatever they are. */
export function provePcrs(tpm: Tpm, session: AuthSession, selection: PcrSelection, values: Buffer = EMPTY): void {
  const parameters = Buffer.concat([sized(values), encodeSelection([selection])]);
  tpm.execute('PolicyPCR', { handles: [permanent(session.handle)], parameters }).parameters.end();
}

/** Proves in a policy session that the authorisation value of `entity` is known. */
export function proveSecret(tpm: Tpm, session: AuthSession, entity: Entity): void {
  // No nonce, no command digest, no reference, no expiry: the session is used at once and flushed.
  const input = Buffer.concat([sized(), sized(), sized(), u32(0)]);
  const handles = [entity, permanent(session.handle)];
  const { parameters } = tpm.execute('PolicySecret', { handles, parameters: input });
  parameters.sized(); // timeout
  parameters.u16();
  parameters.u32();
  parameters.sized(); // ticket
  parameters.end();
}

/** TPM2_PolicyGetDigest: what a session has proven so far. */
export function provenPolicy(tpm: Tpm, session: AuthSession): Buffer {
  const { parameters } = tpm.execute('PolicyGetDigest', { handles: [permanent(session.handle)] });
  const proven = parameters.sized();
  parameters.end();
  return proven;
}
