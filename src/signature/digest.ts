// SPDX-License-Identifier: Apache-2.0
import type { Digest } from '../attest/port.ts';

/** A digest from foreign input in the one form that is compared, `sha256:<64 lower-case hex>`; undefined for anything else. */
export function readDigest(value: unknown): Digest | undefined {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  return /^sha256:[0-9a-f]{64}$/.test(text) ? text : undefined;
}
