// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Longer ones are no times that anybody means; Go's own longest, 290 years, has 20 characters. */
const MAX_LENGTH = 64;

/**
 * Milliseconds of a Go duration such as `1h30m`, `90s`, `500ms`, as the custom resources write them.
 * @throws KeysteadError `InvalidConfiguration` for anything else, negative and zero-length text included.
 */
export function durationMs(text: string): number {
  if (text.length > MAX_LENGTH || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new KeysteadError(
      'InvalidConfiguration',
      `"${text.slice(0, MAX_LENGTH)}" is not a duration: write for example 1h30m, 90s or 500ms.`,
    );
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ''] ?? 0), 0);
}

export const durationSeconds = (text: string): number => Math.floor(durationMs(text) / 1000);
