// SPDX-License-Identifier: Apache-2.0
import { EVIDENCE_KEYS, type KeyEvidence, type KeyEvidenceRequest } from '../attestation-port.ts';
import { Fields } from '../fields.ts';
import type { Operation } from './operation.ts';
import { decodeNonce } from './quote.ts';

export const keyEvidence: Operation<KeyEvidenceRequest, KeyEvidence> = {
  encodeBody: ({ key, nonce }) => ({ key, nonce: nonce.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return { key: body.oneOf('key', EVIDENCE_KEYS), nonce: decodeNonce(body) };
  },
  encodeResult: (evidence) => evidence,
  /** Passed on as it is to who verifies it, who believes nothing of it unproven. */
  decodeResult: (result) => {
    new Fields(result, 'evidence').integer('format', 1, 1);
    return result as KeyEvidence;
  },
};
