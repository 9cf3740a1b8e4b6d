// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';

/** Half of a SHA-256: nobody gains from finding two texts with the same digest, and a match only refuses or revokes more. */
export const SHORT_DIGEST_BYTES = 16;
/** Names of modules and pods come again and again; a node has some hundred. */
const REMEMBERED = 1024;

const names = new Map<string, Buffer>();

/** The start of the SHA-256 of some octets, or of a name in UTF-8. Not to be written into. */
export function shortDigest(value: Buffer | string): Buffer {
  if (typeof value !== 'string') return computed(value);
  const known = names.get(value);
  if (known) return known;
  if (names.size >= REMEMBERED) names.clear();
  const digest = computed(value);
  names.set(value, digest);
  return digest;
}

function computed(value: Buffer | string): Buffer {
  return hash('sha256', value, 'buffer').subarray(0, SHORT_DIGEST_BYTES);
}
