// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { asKeysteadError, KeysteadError } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { Fields } from '../../fields.ts';
import type { StateFolder } from '../../state-folder.ts';
import type { SealedSecret } from '../attester.ts';
import { readPin } from './pin-file.ts';

/** A TPM that gives a secret back to the programs that it was sealed under, and to no others. */
export interface Sealer {
  seal(secret: Buffer): SealedSecret;
  /** Throws PermissionDenied where other programs run, KeyUnfit where another TPM sealed it. */
  unseal(sealed: SealedSecret): Buffer;
}

export interface SealedPinOptions {
  readonly state: StateFolder;
  readonly sealer: Sealer;
  readonly log: Logger;
}

const MAX_AREA_BYTES = 1024;

/**
 * A PIN that the TPM keeps. The first one comes from the PIN file; once the token has accepted it, it lies sealed in the
 * state folder and the file may go. A file that is there goes before, so that another PIN can be given. After an update of
 * the programs the file is needed once more: the TPM gives the PIN to those alone that it was sealed under.
 */
export class SealedPin {
  readonly #options: SealedPinOptions;

  constructor(options: SealedPinOptions) {
    this.#options = options;
  }

  /** Throws InvalidConfiguration where there is neither a file nor a PIN that the TPM gives. */
  read(serial: string, pinFile: string): string {
    if (existsSync(pinFile)) return readPin(pinFile);
    const sealed = this.#sealed(serial);
    if (!sealed) throw missing(pinFile, 'none is sealed yet');
    try {
      return this.#opened(sealed);
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      if (error.retryable) throw error;
      throw missing(pinFile, `the TPM does not give back what was sealed: ${error.message}`);
    }
  }

  /** Seals a PIN that the token has accepted, unless it is already. What fails is logged: the login holds. */
  accepted(serial: string, pin: string): void {
    try {
      if (this.#isSealed(serial, pin)) return;
      const secret = Buffer.from(pin);
      try {
        this.#options.state.write(documentOf(serial), this.#options.sealer.seal(secret));
      } finally {
        secret.fill(0);
      }
      this.#options.log.info({ tokenSerial: serial }, 'sealed the PIN to the programs; its file may be removed');
    } catch (thrown) {
      const { code, message } = asKeysteadError(thrown);
      this.#options.log.warn({ code, err: message }, 'cannot seal the PIN');
    }
  }

  #isSealed(serial: string, pin: string): boolean {
    try {
      const sealed = this.#sealed(serial);
      return sealed !== undefined && this.#opened(sealed) === pin;
    } catch {
      return false;
    }
  }

  #opened(sealed: SealedSecret): string {
    const secret = this.#options.sealer.unseal(sealed);
    try {
      return secret.toString('utf8');
    } finally {
      secret.fill(0);
    }
  }

  #sealed(serial: string): SealedSecret | undefined {
    const document = this.#options.state.read(documentOf(serial));
    if (document === undefined) return undefined;
    const fields = new Fields(document, 'sealed PIN', 'KeyUnfit');
    return {
      publicArea: fields.bytes('publicArea', MAX_AREA_BYTES).toString('base64'),
      privateArea: fields.bytes('privateArea', MAX_AREA_BYTES).toString('base64'),
      pcr: fields.integer('pcr', 0, 23),
    };
  }
}

function documentOf(serial: string): string {
  return `sealed-pin-${createHash('sha256').update(serial).digest('hex').slice(0, 16)}`;
}

function missing(pinFile: string, found: string): KeysteadError {
  const remedy = 'put the PIN into the file once more; it is sealed when the token has accepted it';
  return new KeysteadError('InvalidConfiguration', `there is no PIN file ${pinFile}, and ${found}; ${remedy}`);
}
