// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';

/** 128 random bits; with the sign octet at most 17 octets of DER, RFC 5280 4.1.2.2 allows 20. */
const SERIAL_BYTES = 16;
/** Random bytes are fetched for this many serials at once; one call to the generator costs as much as sixteen bytes. */
const POOLED = 64;

const pool = Buffer.alloc(SERIAL_BYTES * POOLED);
let used = pool.length;

/** A random serial number, 16 octets, positive and never zero. */
export function randomSerial(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const serial = Buffer.from(pool.subarray(used, used + SERIAL_BYTES));
  used += SERIAL_BYTES;
  return serial.every((octet) => octet === 0) ? randomSerial() : serial;
}
