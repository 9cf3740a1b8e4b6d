// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import type { Pkcs11Library, SlotToken } from './library.ts';
import type { Offer } from './mechanism.ts';
import { checkPinCounter, withPinCounter } from './pin-counter.ts';
import { readPin } from './pin-file.ts';
import type { PinGuard } from './pin-guard.ts';
import type { SealedPin } from './sealed-pin.ts';
import { isLost, returnValueOf, tokenError } from './return-values.ts';
import { chooseToken, type TokenChoice } from './token-choice.ts';

export interface SessionOptions {
  readonly library: Pkcs11Library;
  readonly choice: TokenChoice;
  readonly pinFile: string;
  readonly pins: PinGuard;
  /** Where the TPM keeps the PIN. */
  readonly sealedPin?: SealedPin;
  readonly log: Logger;
}

/** One call or several on an open, logged-in session. */
export type TokenOperation<T> = (cryptoki: Cryptoki, session: Handle) => T;

/**
 * The notary's session on one token. One is enough: calls are synchronous, so there is never a second operation. A
 * session that the token has dropped is opened anew, once a call, and never on another token than the first.
 */
export class TokenSession {
  readonly #options: SessionOptions;
  #choice: TokenChoice;
  #token: SlotToken;
  #handle: Handle | undefined;
  #generation = -1;
  #epoch = 0;

  /** Opens the session and logs in. Throws TokenAbsent, InvalidConfiguration, PinRejected, PinLocked, TokenFailed. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#choice = options.choice;
    this.#token = this.#open();
    this.#choice = { tokenSerial: this.#token.serial, tokenLabel: this.#token.label };
  }

  get token(): SlotToken {
    return this.#token;
  }

  /** Asks the token what it can do. */
  offer(): Offer {
    const { library } = this.#options;
    const mechanisms = this.run((cryptoki) => cryptoki.C_GetMechanismList(this.#token.slot));
    return { mechanisms, library: library.path };
  }

  /** Grows whenever the session is opened: object handles of an earlier epoch are void. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Runs an operation that may be repeated; where the session was lost it is opened anew and the operation run again. */
  run<T>(operation: TokenOperation<T>): T {
    const handle = this.#ensureOpen();
    try {
      return operation(this.#options.library.cryptoki, handle);
    } catch (thrown) {
      if (!isLost(thrown)) throw tokenError(thrown);
      this.#options.log.warn({ err: tokenError(thrown).message }, 'token session lost, opening it anew');
    }
    try {
      return operation(this.#options.library.cryptoki, this.#reopen());
    } catch (thrown) {
      throw this.#givenUp(thrown);
    }
  }

  /** Runs an operation that must not be repeated blindly, such as making a key: a lost session is an error. */
  runOnce<T>(operation: TokenOperation<T>): T {
    const handle = this.#ensureOpen();
    try {
      return operation(this.#options.library.cryptoki, handle);
    } catch (thrown) {
      throw isLost(thrown) ? this.#givenUp(thrown) : tokenError(thrown);
    }
  }

  close(): void {
    if (this.#handle === undefined || this.#generation !== this.#options.library.generation) return;
    try {
      this.#options.library.cryptoki.C_CloseSession(this.#handle);
    } catch {
      // The token has dropped the session itself; there is nothing left to close.
    }
    this.#handle = undefined;
  }

  #ensureOpen(): Handle {
    if (this.#handle !== undefined && this.#generation === this.#options.library.generation) return this.#handle;
    this.#token = this.#open();
    if (this.#handle === undefined) throw new KeysteadError('Internal', 'the token session is open without a handle');
    return this.#handle;
  }

  #reopen(): Handle {
    this.close();
    this.#handle = undefined;
    return this.#ensureOpen();
  }

  #givenUp(thrown: unknown): KeysteadError {
    this.close();
    this.#handle = undefined;
    return tokenError(thrown);
  }

  #open(): SlotToken {
    const token = this.#find();
    checkPinCounter(token);
    try {
      this.#handle = this.#openSession(token);
      this.#generation = this.#options.library.generation;
      if (token.flags & CK.CKF_LOGIN_REQUIRED) this.#login(token, this.#handle);
    } catch (thrown) {
      this.close();
      this.#handle = undefined;
      throw tokenError(thrown);
    }
    this.#epoch++;
    return token;
  }

  /** Looks again after a restart of the library: many notice a token that came or went only then. */
  #find(): SlotToken {
    const { library } = this.#options;
    try {
      return chooseToken(library.tokens(), this.#choice);
    } catch (thrown) {
      const error = tokenError(thrown);
      if (error.code !== 'TokenAbsent' && !isLost(error)) throw error;
    }
    library.restart();
    try {
      return chooseToken(library.tokens(), this.#choice);
    } catch (thrown) {
      throw tokenError(thrown);
    }
  }

  #openSession(token: SlotToken): Handle {
    const writable = token.flags & CK.CKF_WRITE_PROTECTED ? 0 : CK.CKF_RW_SESSION;
    return this.#options.library.cryptoki.C_OpenSession(token.slot, CK.CKF_SERIAL_SESSION | writable);
  }

  #login(token: SlotToken, handle: Handle): void {
    const { library, pins, pinFile, sealedPin } = this.#options;
    const pin = sealedPin ? sealedPin.read(token.serial, pinFile) : readPin(pinFile);
    try {
      pins.attempt(token.serial, pin, () => {
        try {
          library.cryptoki.C_Login(handle, CK.CKU_USER, pin);
        } catch (thrown) {
          // Login is the process's, not the session's: another session of ours has done it.
          if (returnValueOf(thrown) !== 'CKR_USER_ALREADY_LOGGED_IN') throw thrown;
        }
      });
    } catch (thrown) {
      throw withPinCounter(tokenError(thrown), library.flags(token));
    }
    sealedPin?.accepted(token.serial, pin);
  }
}
