// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import type { StateFolder } from '../../state-folder.ts';
import { tokenError } from './return-values.ts';

/** What is remembered of a PIN that was given to a token. It tells nothing to who has not got the PIN already. */
interface Attempt {
  readonly serial: string;
  readonly salt: string;
  readonly hash: string;
  /** `trying` is written before the attempt and found only after a crash in the middle of it. */
  readonly outcome: 'trying' | 'rejected';
  readonly attempts: number;
}

/** Tokens lock after as few as three wrong PINs; an attempt that ended with the process may have been one. */
const MAX_INTERRUPTED = 2;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * Sees to it that a wrong PIN is tried once only, also across restarts and crashes of the process: a container that
 * starts over and over would otherwise lock the token within seconds.
 */
export class PinGuard {
  readonly #state: StateFolder;

  constructor(state: StateFolder) {
    this.#state = state;
  }

  /** Runs `login` unless this PIN was refused by this token before. Throws PinRejected, or what the login failed with. */
  attempt(serial: string, pin: string, login: () => void): void {
    const name = documentOf(serial);
    const known = this.#knownAttempt(name, pin);
    if (known?.outcome === 'rejected' || (known && known.attempts >= MAX_INTERRUPTED)) throw notAgain(serial, known);
    const attempt = this.#remember(name, serial, pin, known);
    try {
      login();
    } catch (thrown) {
      const error = tokenError(thrown);
      if (error.code === 'PinRejected') this.#state.write(name, { ...attempt, outcome: 'rejected' });
      else this.#state.remove(name);
      throw error;
    }
    this.#state.remove(name);
  }

  /** The remembered attempt with this same PIN; undefined where there is none or it was another PIN. */
  #knownAttempt(name: string, pin: string): Attempt | undefined {
    const attempt = this.#state.read(name) as Attempt | undefined;
    if (!attempt) return undefined;
    const same = timingSafeEqual(digest(pin, Buffer.from(attempt.salt, 'hex')), Buffer.from(attempt.hash, 'hex'));
    return same ? attempt : undefined;
  }

  #remember(name: string, serial: string, pin: string, known: Attempt | undefined): Attempt {
    const salt = known ? Buffer.from(known.salt, 'hex') : randomBytes(SALT_BYTES);
    const attempt: Attempt = {
      serial,
      salt: salt.toString('hex'),
      hash: known?.hash ?? digest(pin, salt).toString('hex'),
      outcome: 'trying',
      attempts: (known?.attempts ?? 0) + 1,
    };
    this.#state.write(name, attempt);
    return attempt;
  }
}

function digest(pin: string, salt: Buffer): Buffer {
  return scryptSync(pin, salt, HASH_BYTES);
}

/** Serials are foreign text; a digest of one is a safe file name. */
function documentOf(serial: string): string {
  return `pin-${createHash('sha256').update(serial).digest('hex').slice(0, 16)}`;
}

function notAgain(serial: string, attempt: Attempt): KeysteadError {
  const found =
    attempt.outcome === 'rejected'
      ? 'the token refused the PIN in the PIN file before'
      : `${attempt.attempts} attempts with the PIN in the PIN file ended with the process`;
  const remedy = 'it is not tried again, so that the token does not lock; put the right PIN into the PIN file';
  return new KeysteadError('PinRejected', `${found} (token serial ${serial}); ${remedy}`);
}
