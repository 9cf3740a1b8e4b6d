// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

const MAX_NAME_BYTES = 253;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const ALL_DIGITS = /^[0-9]+$/;

/**
 * Throws ProfileViolation unless `name` is a DNS name in preferred syntax (RFC 1034 3.5 with RFC 1123 2.1), lower
 * case, without wildcard or final dot. A last label of digits alone is refused: that is an IP address in disguise.
 */
export function checkDnsName(name: string): void {
  if (name.length === 0 || name.length > MAX_NAME_BYTES) {
    throw violation(`1 to ${MAX_NAME_BYTES} bytes`, `${name.length} bytes`);
  }
  if (name.includes('*')) throw violation('a name without wildcard', JSON.stringify(name));
  const labels = name.split('.');
  for (const label of labels) {
    if (!LABEL.test(label)) {
      throw violation('labels of 1 to 63 lower-case letters, digits and inner dashes', JSON.stringify(name));
    }
  }
  if (ALL_DIGITS.test(labels.at(-1) ?? '')) throw violation('a name, not an address', JSON.stringify(name));
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `DNS name: expected ${expected}, found ${found}`);
}
