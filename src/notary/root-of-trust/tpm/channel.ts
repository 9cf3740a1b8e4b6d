// SPDX-License-Identifier: Apache-2.0

/** A way to a TPM that carries whole commands and responses. One command is in flight at a time. */
export interface TpmChannel {
  /** Where the TPM is, for messages and descriptions. */
  readonly place: string;
  /**
   * Sends a command and returns the TPM's response: whole, as long as its own header says, at most
   * `MAX_RESPONSE_BYTES`. Throws Unavailable (gone or too slow) or TokenFailed (nonsense).
   */
  exchange(command: Buffer): Buffer;
  /** Opens the way anew after a failure; what was loaded in the TPM may be gone. */
  reopen(): void;
  close(): void;
}

/** No TPM answers with more (TPM 2.0 Library, TPM_PT_MAX_RESPONSE_SIZE; the kernel's TPM_BUFSIZE). */
export const MAX_RESPONSE_BYTES = 4096;

/** Tag (16 bits), size (32), code (32): the header of every command and response (Part 1, 18). */
export const HEADER_BYTES = 10;
