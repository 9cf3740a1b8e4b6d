// SPDX-License-Identifier: Apache-2.0
import type { HeldKey, KeyAlgorithm, TokenDescription } from '../port.ts';
import { CurrentHandle } from './current-handle.ts';
import { digestOf, signatureInput, signatureOutput, TOKEN_ALGORITHMS } from './key-algorithm.ts';
import type { KeyPairObjects } from './key-objects.ts';
import type { TokenOperation, TokenSession } from './session.ts';
import { keyUri } from './uri.ts';

/** As long as the longest signature, RSA-4096's. */
const SIGNATURE_BYTES = 512;
/** Signing is synchronous and its output copied at once, so that one buffer serves all keys. */
const output = Buffer.alloc(SIGNATURE_BYTES);

/** A private key on a token. */
export class Pkcs11Key implements HeldKey {
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly uri: string;
  readonly publicKey: Buffer;
  readonly attributes: HeldKey['attributes'];
  readonly #session: TokenSession;
  readonly #mechanism: { readonly mechanism: number };
  readonly #handle: CurrentHandle;

  /** `findAgain` looks for the same key in another session. */
  constructor(
    session: TokenSession,
    token: TokenDescription,
    objects: KeyPairObjects & { readonly label: string },
    findAgain: TokenOperation<KeyPairObjects | undefined>,
  ) {
    const { label } = objects;
    this.label = label;
    this.algorithm = objects.algorithm;
    this.publicKey = objects.publicKey;
    this.attributes = objects.attributes;
    const { label: tokenLabel, manufacturer, model, serial } = token;
    const place = { token: tokenLabel, manufacturer, model, serial };
    this.uri = keyUri({ ...place, object: label, id: objects.id, type: 'private' });
    this.#session = session;
    this.#mechanism = { mechanism: TOKEN_ALGORITHMS[objects.algorithm].signing.number };
    this.#handle = new CurrentHandle(session, { label, handle: objects.privateKey }, (cryptoki, handle) => {
      const found = findAgain(cryptoki, handle);
      return found?.publicKey.equals(objects.publicKey) ? found.privateKey : undefined;
    });
  }

  sign(message: Buffer): Buffer {
    return this.signDigest(digestOf(this.algorithm, message));
  }

  signDigest(digest: Buffer): Buffer {
    const input = signatureInput(this.algorithm, digest);
    const raw = this.#session.run((cryptoki, session) => {
      cryptoki.C_SignInit(session, this.#mechanism, this.#handle.get(cryptoki, session));
      return cryptoki.C_Sign(session, input, output);
    });
    return signatureOutput(this.algorithm, raw);
  }
}
