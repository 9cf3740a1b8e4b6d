// SPDX-License-Identifier: Apache-2.0
import { readCertificate, type Certificate } from '../issue/certificate-reader.ts';
import { Fields } from './fields.ts';

/** One CA certificate of this node. Its key lies on the token under a label that holds the generation. */
export interface CaEntry {
  readonly generation: number;
  /** DER. */
  readonly der: Buffer;
  readonly certificate: Certificate;
}

/** What the node's authority remembers; everything but keys. */
export interface AuthorityRecord {
  /** Serial of the token that the current key lies on. */
  readonly token: string;
  readonly current: CaEntry;
  /** Longest lifetime that was allowed to leaves of the current CA. */
  readonly longestLeafSeconds: number;
  readonly next?: CaEntry & { readonly activateAt: number };
  /** No longer issuing; anchors until `keepUntil`, milliseconds since the Unix epoch. */
  readonly former: readonly (CaEntry & { readonly keepUntil: number })[];
}

const FORMAT = 1;
const MAX_CERTIFICATE_BYTES = 8192;
const MAX_FORMER = 64;
const MAX_TIME = 8.64e15;

export function caEntry(generation: number, der: Buffer): CaEntry {
  return { generation, der, certificate: readCertificate(der) };
}

export function encodeRecord(record: AuthorityRecord): unknown {
  const { token, current, longestLeafSeconds, next, former } = record;
  return {
    format: FORMAT,
    token,
    current: encodeEntry(current),
    longestLeafSeconds,
    ...(next && { next: { ...encodeEntry(next), activateAt: next.activateAt } }),
    former: former.map((entry) => ({ ...encodeEntry(entry), keepUntil: entry.keepUntil })),
  };
}

/** Throws InvalidRequest where the document is not a record. */
export function decodeRecord(document: unknown): AuthorityRecord {
  const fields = new Fields(document, 'authority');
  fields.integer('format', FORMAT, FORMAT);
  return {
    token: fields.string('token', 64),
    current: decodeEntry(fields.object('current')),
    longestLeafSeconds: fields.integer('longestLeafSeconds', 0, MAX_TIME),
    ...(fields.has('next') && { next: decodeNext(fields.object('next')) }),
    former: fields.objects('former', MAX_FORMER).map((entry) => ({
      ...decodeEntry(entry),
      keepUntil: entry.integer('keepUntil', 0, MAX_TIME),
    })),
  };
}

function decodeNext(fields: Fields): CaEntry & { activateAt: number } {
  return { ...decodeEntry(fields), activateAt: fields.integer('activateAt', 0, MAX_TIME) };
}

function encodeEntry(entry: CaEntry): { generation: number; certificate: string } {
  return { generation: entry.generation, certificate: entry.der.toString('base64') };
}

function decodeEntry(fields: Fields): CaEntry {
  const generation = fields.integer('generation', 1, Number.MAX_SAFE_INTEGER);
  return caEntry(generation, fields.bytes('certificate', MAX_CERTIFICATE_BYTES));
}
