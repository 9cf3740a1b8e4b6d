// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { PcrQuote, QuoteRequest } from '../attestation-port.ts';
import { Fields } from '../fields.ts';
import type { Operation } from './operation.ts';

const MAX_NONCE = 64;
const MAX_PCRS = 24;
const MAX_ATTEST = 2048;

export const quote: Operation<QuoteRequest, PcrQuote> = {
  encodeBody: ({ nonce, pcrs }) => ({ nonce: nonce.toString('base64'), pcrs: pcrs.map((index) => ({ index })) }),
  decodeBody: (message) => {
    const body = message.object('body');
    const pcrs = body.objects('pcrs', MAX_PCRS).map((entry) => entry.integer('index', 0, MAX_PCRS - 1));
    return { nonce: decodeNonce(body), pcrs: [...new Set(pcrs)] };
  },
  encodeResult: ({ attest, signature, pcrs }) => ({
    attest: attest.toString('base64'),
    signature: signature.toString('base64'),
    pcrs,
  }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      attest: fields.bytes('attest', MAX_ATTEST),
      signature: fields.bytes('signature', MAX_ATTEST),
      pcrs: fields.objects('pcrs', MAX_PCRS).map((entry) => ({
        index: entry.integer('index', 0, MAX_PCRS - 1),
        sha256: entry.string('sha256', 64),
      })),
    };
  },
};

/** Throws InvalidRequest for none: an answer without nonce would be good for ever. */
export function decodeNonce(body: Fields): Buffer {
  const nonce = body.bytes('nonce', MAX_NONCE);
  if (nonce.length > 0) return nonce;
  throw new KeysteadError('InvalidRequest', `nonce: expected 1 to ${MAX_NONCE} octets, found none`);
}
