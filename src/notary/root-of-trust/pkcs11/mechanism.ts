// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { lackOf } from './quirks.ts';

/** A mechanism with its name in PKCS#11. */
export interface Mechanism {
  readonly name: string;
  readonly number: number;
}

/** Runs what may end in MechanismMissing, and says what it was needed for. */
export function forPurpose<T>(purpose: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    if (!(thrown instanceof KeysteadError) || thrown.code !== 'MechanismMissing') throw thrown;
    throw new KeysteadError(thrown.code, `${purpose}: ${thrown.message}`, { cause: thrown });
  }
}

/** What a token can do. */
export interface Offer {
  readonly mechanisms: readonly number[];
  /** Path of the library. */
  readonly library: string;
}

/** Throws MechanismMissing that names the first mechanism that the token does not offer, and what it is needed for. */
export function requireMechanisms(offer: Offer, needed: readonly Mechanism[], purpose: string): void {
  const missing = needed.find(({ number }) => !offer.mechanisms.includes(number));
  if (!missing) return;
  const other = lackOf(offer.library, missing.name) ?? 'choose an algorithm that the token has, or another token';
  const remedy = `${other}; there is no fall-back to software`;
  throw new KeysteadError('MechanismMissing', `the token offers no ${missing.name}, needed for ${purpose}; ${remedy}`);
}
