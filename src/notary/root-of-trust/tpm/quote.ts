// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { parseAttest } from '../../../tpm/attest.ts';
import { TPM_ALG, TPM_ST } from '../../../tpm/constants.ts';
import { encodeSelection, pcrDigest, type PcrSelection, type PcrValues } from '../../../tpm/pcr-selection.ts';
import { parseSignature } from '../../../tpm/signature.ts';
import type { SignedAttest } from '../../../tpm/verify-quote.ts';
import { sized, u16 } from '../../../tpm/writer.ts';
import type { Entity } from './framing.ts';
import { readPcrs } from './pcr.ts';
import type { Tpm } from './tpm.ts';

export interface Quote extends SignedAttest {
  readonly selection: PcrSelection;
  /** Values that the quote's digest is over. */
  readonly values: PcrValues;
}

/** How often to try again where a PCR is extended between reading and quoting. */
const TRIES = 5;

/** TPM2_Quote over PCRs with the challenger's nonce, and the values that belong to it. */
export function makeQuote(tpm: Tpm, key: Entity, nonce: Buffer, selection: PcrSelection): Quote {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const values = readPcrs(tpm, selection);
    const input = Buffer.concat([sized(nonce), u16(TPM_ALG.null), encodeSelection([selection])]);
    const { parameters } = tpm.execute('Quote', { handles: [key], parameters: input });
    const quote = { attest: parameters.sized(), signature: parameters.rest(), selection, values };
    const { hash } = parseSignature(quote.signature);
    const attest = parseAttest(quote.attest);
    if (attest.type !== TPM_ST.attestQuote) throw parameters.fail('an attestation that is no quote');
    if (attest.pcrDigest.equals(pcrDigest(hash, selection.pcrs, values))) return quote;
  }
  throw new KeysteadError('TokenFailed', `the PCRs changed in each of ${TRIES} attempts to quote them; ask again`);
}
