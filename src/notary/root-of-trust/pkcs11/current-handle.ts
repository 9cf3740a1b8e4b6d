// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { Cryptoki, Handle } from './cryptoki.ts';
import type { TokenOperation, TokenSession } from './session.ts';

/** The handle of one object on the token. Where the session was opened anew the object is looked up again. */
export class CurrentHandle {
  readonly #session: TokenSession;
  readonly #label: string;
  readonly #findAgain: TokenOperation<Handle | undefined>;
  #handle: Handle;
  #epoch: number;

  /** `findAgain` gives the same object's handle; undefined where it is gone or another lies there. */
  constructor(
    session: TokenSession,
    object: { readonly label: string; readonly handle: Handle },
    findAgain: TokenOperation<Handle | undefined>,
  ) {
    this.#session = session;
    this.#label = object.label;
    this.#handle = object.handle;
    this.#findAgain = findAgain;
    this.#epoch = session.epoch;
  }

  /** The handle in this session. Throws TokenFailed where the object is no longer there. */
  get(cryptoki: Cryptoki, session: Handle): Handle {
    if (this.#epoch === this.#session.epoch) return this.#handle;
    const found = this.#findAgain(cryptoki, session);
    if (!found) {
      const remedy = 'the notary starts over with what the token holds';
      const expected = `the key ${JSON.stringify(this.#label)} that was there before the session was lost`;
      throw new KeysteadError(
        'TokenFailed',
        `expected ${expected}, found none, or another key under its label; ${remedy}`,
      );
    }
    this.#handle = found;
    this.#epoch = this.#session.epoch;
    return found;
  }
}
