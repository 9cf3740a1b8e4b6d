// SPDX-License-Identifier: Apache-2.0
import { p256Jwk, thumbprint, type EcJwk } from '../issue/jwk.ts';
import type { Validity } from '../issue/validity.ts';
import { Fields } from './fields.ts';

/** One token signing key of this node. Its private half lies on the token under a label that holds the generation. */
export interface TokenKeyEntry {
  readonly generation: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly jwk: EcJwk;
  /** RFC 7638 thumbprint: the `kid`. */
  readonly keyId: string;
  /** When the key may sign, milliseconds since the Unix epoch. */
  readonly validity: Validity;
}

/** What the node remembers of its token signing keys; everything but private keys. */
export interface TokenKeyRecord {
  readonly current: TokenKeyEntry;
  /** Longest lifetime that was allowed to tokens of the current key, seconds. */
  readonly longestTokenSeconds: number;
  readonly next?: TokenKeyEntry & { readonly activateAt: number };
  /** No longer signing; published until `keepUntil`, when the last token that they signed has ended. */
  readonly former: readonly (TokenKeyEntry & { readonly keepUntil: number })[];
}

const FORMAT = 1;
const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_FORMER = 64;
const MAX_TIME = 8.64e15;

export function tokenKeyEntry(generation: number, publicKey: Buffer, validity: Validity): TokenKeyEntry {
  const jwk = p256Jwk(publicKey);
  return { generation, publicKey, jwk, keyId: thumbprint(jwk), validity };
}

export function encodeTokenRecord({ current, longestTokenSeconds, next, former }: TokenKeyRecord): unknown {
  return {
    format: FORMAT,
    current: encodeEntry(current),
    longestTokenSeconds,
    ...(next && { next: { ...encodeEntry(next), activateAt: next.activateAt } }),
    former: former.map((entry) => ({ ...encodeEntry(entry), keepUntil: entry.keepUntil })),
  };
}

/** Throws InvalidRequest, or ProfileViolation for a bad key, where the document is not a record. */
export function decodeTokenRecord(document: unknown): TokenKeyRecord {
  const fields = new Fields(document, 'token keys');
  fields.integer('format', FORMAT, FORMAT);
  const next = fields.has('next') ? fields.object('next') : undefined;
  return {
    current: decodeEntry(fields.object('current')),
    longestTokenSeconds: fields.integer('longestTokenSeconds', 0, MAX_TIME),
    ...(next && { next: { ...decodeEntry(next), activateAt: next.integer('activateAt', 0, MAX_TIME) } }),
    former: fields.objects('former', MAX_FORMER).map((entry) => ({
      ...decodeEntry(entry),
      keepUntil: entry.integer('keepUntil', 0, MAX_TIME),
    })),
  };
}

function encodeEntry({ generation, publicKey, validity }: TokenKeyEntry): Record<string, unknown> {
  return { generation, publicKey: publicKey.toString('base64'), ...validity };
}

function decodeEntry(fields: Fields): TokenKeyEntry {
  const validity = {
    notBefore: fields.integer('notBefore', 0, MAX_TIME),
    notAfter: fields.integer('notAfter', 0, MAX_TIME),
  };
  const generation = fields.integer('generation', 1, Number.MAX_SAFE_INTEGER);
  return tokenKeyEntry(generation, fields.bytes('publicKey', MAX_PUBLIC_KEY_BYTES), validity);
}
