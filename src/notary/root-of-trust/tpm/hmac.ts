// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG, TPM_RH } from '../../../tpm/constants.ts';
import { loadedHandle, type Entity } from './framing.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY, sized, u16, u32 } from '../../../tpm/writer.ts';

/** MAX_DIGEST_BUFFER: every TPM takes this much in one command. */
const INPUT_BYTES = 1024;

/** HMAC-SHA256 with a loaded key: TPM2_HMAC, or a sequence for a message that is longer than one command takes. */
export function hmacWith(tpm: Tpm, key: Entity, message: Buffer): Buffer {
  if (message.length > INPUT_BYTES) return hmacInParts(tpm, key, message);
  const { parameters } = tpm.execute('HMAC', {
    handles: [key],
    parameters: Buffer.concat([sized(message), u16(TPM_ALG.sha256)]),
  });
  const mac = parameters.sized();
  parameters.end();
  return mac;
}

function hmacInParts(tpm: Tpm, key: Entity, message: Buffer): Buffer {
  const started = tpm.execute('HMAC_Start', {
    handles: [key],
    parameters: Buffer.concat([sized(EMPTY), u16(TPM_ALG.sha256)]),
  });
  started.parameters.end();
  // A sequence object has no name (Part 1, 16).
  const sequence = { handle: loadedHandle(started), name: EMPTY };
  try {
    let rest = message;
    for (; rest.length > INPUT_BYTES; rest = rest.subarray(INPUT_BYTES)) {
      const parameters = sized(rest.subarray(0, INPUT_BYTES));
      tpm.execute('SequenceUpdate', { handles: [sequence], parameters }).parameters.end();
    }
    const input = Buffer.concat([sized(rest), u32(TPM_RH.null)]);
    const { parameters } = tpm.execute('SequenceComplete', { handles: [sequence], parameters: input });
    const mac = parameters.sized();
    parameters.rest(); // the ticket, which only hashes need
    return mac;
  } catch (thrown) {
    // TPM2_SequenceComplete flushes the sequence where it succeeds.
    tpm.release(sequence.handle);
    throw thrown;
  }
}
