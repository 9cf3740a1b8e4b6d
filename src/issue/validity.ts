// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { sequence, TAG, tlv } from './der.ts';
import { DerReader } from './der-reader.ts';

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

export function encodeValidity(validity: Validity): Buffer {
  return sequence(encodeTime(validity.notBefore), encodeTime(validity.notAfter));
}

/** UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 4.1.2.5). */
export function encodeTime(milliseconds: number): Buffer {
  const time = new Date(milliseconds);
  const year = time.getUTCFullYear();
  const utc = year >= 1950 && year < 2050;
  const digits = [
    utc ? pad(year % 100, 2) : pad(year, 4),
    pad(time.getUTCMonth() + 1, 2),
    pad(time.getUTCDate(), 2),
    pad(time.getUTCHours(), 2),
    pad(time.getUTCMinutes(), 2),
    pad(time.getUTCSeconds(), 2),
  ];
  return tlv(utc ? TAG.utcTime : TAG.generalizedTime, Buffer.from(`${digits.join('')}Z`, 'latin1'));
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** Reads a Validity SEQUENCE. Throws InvalidRequest where a time is not in the form that RFC 5280 demands. */
export function decodeValidity(reader: DerReader): Validity {
  const validity = { notBefore: decodeTime(reader), notAfter: decodeTime(reader) };
  reader.end('validity');
  return validity;
}

function decodeTime(reader: DerReader): number {
  const utc = reader.peek() === TAG.utcTime;
  const text = reader.read(utc ? TAG.utcTime : TAG.generalizedTime, 'time').toString('latin1');
  const match = (utc ? UTC_TIME : GENERALIZED_TIME).exec(text);
  if (!match) throw new KeysteadError('InvalidRequest', `time: expected YYMMDDHHMMSSZ, found ${JSON.stringify(text)}`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const century = utc ? (year < 50 ? 2000 : 1900) : 0;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
}
