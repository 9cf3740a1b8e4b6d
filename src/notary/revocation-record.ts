// SPDX-License-Identifier: Apache-2.0
import { REVOCATION_REASONS, type RevokedCertificate } from '../issue/crl.ts';
import { Fields } from './fields.ts';
import type { RevokedToken } from './revocation-port.ts';
import { decodeRevokedToken } from './revoked-token.ts';

/** A revoked certificate of one of the node's CAs. */
export interface RevokedEntry extends RevokedCertificate {
  readonly issuer: string;
  /** Its end, milliseconds since the Unix epoch. */
  readonly until: number;
  /** Counts what was revoked, from 1. */
  readonly order: number;
}

/** The list that a CA signed last. */
export interface SignedCrl {
  readonly issuer: string;
  readonly number: number;
  readonly count: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly der: Buffer;
  /** When it was signed by the node's clock. */
  readonly signedAt: number;
  /** `order` of the last entry that it covers. */
  readonly covers: number;
}

/** All that is remembered of revocations. Replaced, never changed. */
export interface RevocationRecord {
  readonly order: number;
  readonly revoked: readonly RevokedEntry[];
  readonly crls: readonly SignedCrl[];
  readonly tokens: readonly RevokedToken[];
  readonly tokenVersion: number;
}

export const EMPTY_RECORD: RevocationRecord = { order: 0, revoked: [], crls: [], tokens: [], tokenVersion: 0 };

const FORMAT = 1;
const MAX_ENTRIES = 65_536;
const MAX_CRL_BYTES = 4 * 1024 * 1024;
const MAX = Number.MAX_SAFE_INTEGER;
const REASONS = Object.keys(REVOCATION_REASONS) as readonly RevokedCertificate['reason'][];

export function encodeRevocations({ crls, ...record }: RevocationRecord): unknown {
  return { format: FORMAT, ...record, crls: crls.map((crl) => ({ ...crl, der: crl.der.toString('base64') })) };
}

/** Throws InvalidRequest where the document is not a record. */
export function decodeRevocations(document: unknown): RevocationRecord {
  const fields = new Fields(document, 'revocations');
  fields.integer('format', FORMAT, FORMAT);
  return {
    order: fields.integer('order', 0, MAX),
    revoked: fields.objects('revoked', MAX_ENTRIES).map(decodeEntry),
    crls: fields.objects('crls', MAX_ENTRIES).map(decodeCrl),
    tokens: fields.objects('tokens', MAX_ENTRIES).map(decodeRevokedToken),
    tokenVersion: fields.integer('tokenVersion', 0, MAX),
  };
}

function decodeEntry(entry: Fields): RevokedEntry {
  return {
    issuer: entry.string('issuer', 64),
    serial: entry.string('serial', 64),
    revokedAt: entry.integer('revokedAt', 0, MAX),
    reason: entry.oneOf('reason', REASONS),
    until: entry.integer('until', 0, MAX),
    order: entry.integer('order', 0, MAX),
  };
}

function decodeCrl(crl: Fields): SignedCrl {
  return {
    issuer: crl.string('issuer', 64),
    number: crl.integer('number', 0, MAX),
    count: crl.integer('count', 0, MAX),
    thisUpdate: crl.integer('thisUpdate', 0, MAX),
    nextUpdate: crl.integer('nextUpdate', 0, MAX),
    der: crl.bytes('der', MAX_CRL_BYTES),
    signedAt: crl.integer('signedAt', 0, MAX),
    covers: crl.integer('covers', 0, MAX),
  };
}
