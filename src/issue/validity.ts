// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { TAG, tlv } from './der.ts';
import { DerReader } from './der-reader.ts';
import type { DerWriter } from './der-writer.ts';

/** A leaf is valid from this long before it was made, for readers whose clocks are behind. Milliseconds. */
export const LEAF_BACKDATE_MS = 5 * 60_000;
/** The same for the node's CA: edge devices start with clocks that are hours off, and leaves must lie inside it. */
export const CA_BACKDATE_MS = 24 * 3_600_000;

/** Milliseconds since the Unix epoch, whole seconds. Both ends are inside (RFC 5280 4.1.2.5). */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Validity of something made at `now` that shall last `lifetimeSeconds`: its last second is the one before the end. */
export function validityFrom(now: number, lifetimeSeconds: number, backdateMs: number): Validity {
  const second = Math.floor(now / 1000) * 1000;
  return { notBefore: second - backdateMs, notAfter: second + (lifetimeSeconds - 1) * 1000 };
}

export function writeValidity(writer: DerWriter, validity: Validity): void {
  const end = writer.length;
  writer.bytes(encodeTime(validity.notAfter));
  writer.bytes(encodeTime(validity.notBefore));
  writer.wrap(TAG.sequence, end);
}

/** UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5). */
export function encodeTime(milliseconds: number): Buffer {
  const time = new Date(milliseconds);
  const year = time.getUTCFullYear();
  const utc = year >= 1950 && year < 2050;
  const out = Buffer.allocUnsafe(utc ? 13 : 15);
  let at = utc ? 0 : writeTwoDigits(out, 0, Math.floor(year / 100));
  at = writeTwoDigits(out, at, year % 100);
  at = writeTwoDigits(out, at, time.getUTCMonth() + 1);
  at = writeTwoDigits(out, at, time.getUTCDate());
  at = writeTwoDigits(out, at, time.getUTCHours());
  at = writeTwoDigits(out, at, time.getUTCMinutes());
  out[writeTwoDigits(out, at, time.getUTCSeconds())] = LETTER_Z;
  return tlv(utc ? TAG.utcTime : TAG.generalizedTime, out);
}

const DIGIT_0 = 0x30;
const LETTER_Z = 0x5a;

/** Writes two decimal digits and gives the offset after them. */
function writeTwoDigits(out: Buffer, at: number, value: number): number {
  out[at] = DIGIT_0 + Math.floor(value / 10);
  out[at + 1] = DIGIT_0 + (value % 10);
  return at + 2;
}

/** Reads a Validity SEQUENCE. Throws InvalidRequest where a time is not in the form that RFC 5280 demands. */
export function decodeValidity(reader: DerReader): Validity {
  const validity = { notBefore: decodeTime(reader), notAfter: decodeTime(reader) };
  reader.end('validity');
  return validity;
}

/** Reads a Time in the form that RFC 5280 demands. Throws InvalidRequest. */
export function decodeTime(reader: DerReader): number {
  const utc = reader.peek() === TAG.utcTime;
  const octets = reader.read(utc ? TAG.utcTime : TAG.generalizedTime, 'time');
  const start = utc ? 2 : 4;
  if (octets.length !== start + 11 || octets[start + 10] !== LETTER_Z) throw malformedTime(octets);
  const two = (at: number): number => readTwoDigits(octets, at);
  const year = utc ? two(0) + (two(0) < 50 ? 2000 : 1900) : two(0) * 100 + two(2);
  return Date.UTC(year, two(start) - 1, two(start + 2), two(start + 4), two(start + 6), two(start + 8));
}

function readTwoDigits(octets: Buffer, at: number): number {
  const tens = (octets[at] ?? 0) - DIGIT_0;
  const ones = (octets[at + 1] ?? 0) - DIGIT_0;
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw malformedTime(octets);
  return tens * 10 + ones;
}

function malformedTime(octets: Buffer): KeysteadError {
  const found = JSON.stringify(octets.toString('latin1'));
  return new KeysteadError('InvalidRequest', `time: expected YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ, found ${found}`);
}
