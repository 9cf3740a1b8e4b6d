// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { HeldKey, KeyAlgorithm, TokenDescription } from '../port.ts';
import type { Cryptoki, Handle } from './cryptoki.ts';
import { signatureInput, signatureOutput, TOKEN_ALGORITHMS } from './key-algorithm.ts';
import { findKeyPair, type KeyPairObjects } from './key-objects.ts';
import type { TokenSession } from './session.ts';
import { keyUri } from './uri.ts';

/** As long as the longest signature, RSA-4096's. */
const SIGNATURE_BYTES = 512;
/** Signing is synchronous and its output copied at once, so that one buffer serves all keys. */
const output = Buffer.alloc(SIGNATURE_BYTES);

/** A private key on a token. Where the session was opened anew the object is looked up again. */
export class Pkcs11Key implements HeldKey {
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly uri: string;
  readonly publicKey: Buffer;
  readonly attributes: HeldKey['attributes'];
  readonly #session: TokenSession;
  readonly #mechanism: { readonly mechanism: number };
  #handle: Handle;
  #epoch: number;

  constructor(session: TokenSession, token: TokenDescription, label: string, objects: KeyPairObjects) {
    this.label = label;
    this.algorithm = objects.algorithm;
    this.publicKey = objects.publicKey;
    this.attributes = objects.attributes;
    const { label: tokenLabel, manufacturer, model, serial } = token;
    const place = { token: tokenLabel, manufacturer, model, serial };
    this.uri = keyUri({ ...place, object: label, id: objects.id, type: 'private' });
    this.#session = session;
    this.#mechanism = { mechanism: TOKEN_ALGORITHMS[objects.algorithm].signing.number };
    this.#handle = objects.privateKey;
    this.#epoch = session.epoch;
  }

  sign(message: Buffer): Buffer {
    const input = signatureInput(this.algorithm, message);
    const raw = this.#session.run((cryptoki, session) => {
      cryptoki.C_SignInit(session, this.#mechanism, this.#currentHandle(cryptoki, session));
      return cryptoki.C_Sign(session, input, output);
    });
    return signatureOutput(this.algorithm, raw);
  }

  #currentHandle(cryptoki: Cryptoki, session: Handle): Handle {
    if (this.#epoch === this.#session.epoch) return this.#handle;
    const found = findKeyPair(cryptoki, session, this.label);
    if (!found?.publicKey.equals(this.publicKey)) {
      const now = found ? 'another key under its label' : 'none';
      const remedy = 'the notary starts over with what the token holds';
      throw new KeysteadError('TokenFailed', `key ${JSON.stringify(this.label)} is gone, found ${now}; ${remedy}`);
    }
    this.#handle = found.privateKey;
    this.#epoch = this.#session.epoch;
    return this.#handle;
  }
}
