// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import type { HeldCipher, HeldSecret, KeyAttributes, TokenDescription } from '../port.ts';
import { PARAMETERS_GCM, type Cryptoki, type Handle } from './cryptoki.ts';
import { CurrentHandle } from './current-handle.ts';
import { SECRET_ALGORITHMS, type SecretKind } from './secret-algorithm.ts';
import { findSecretObject, type SecretObject } from './secret-objects.ts';
import { mayBeWrongTag } from './quirks.ts';
import { NOT_OURS, returnValueOf } from './return-values.ts';
import type { TokenSession } from './session.ts';
import { keyUri } from './uri.ts';

const MAC_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** AES's block: some libraries want room for whole ones. */
const BLOCK_BYTES = 16;

/** What both kinds of symmetric keys on a token have. */
class Pkcs11Secret {
  readonly label: string;
  readonly uri: string;
  readonly attributes: KeyAttributes;
  protected readonly session: TokenSession;
  protected readonly handle: CurrentHandle;

  constructor(
    session: TokenSession,
    token: TokenDescription,
    kind: SecretKind,
    found: SecretObject & { label: string },
  ) {
    const { label: tokenLabel, manufacturer, model, serial } = token;
    const { label, id } = found;
    this.label = label;
    this.attributes = found.attributes;
    const place = { token: tokenLabel, manufacturer, model, serial };
    this.uri = keyUri({ ...place, object: label, id, type: 'secret-key' });
    this.session = session;
    this.handle = new CurrentHandle(session, found, (cryptoki, handle) => {
      const again = findSecretObject(cryptoki, handle, { kind, label, origin: 'Imported' });
      return again?.id.equals(id) ? again.handle : undefined;
    });
  }
}

export class Pkcs11HmacKey extends Pkcs11Secret implements HeldSecret {
  hmac(message: Buffer): Buffer {
    const mechanism = { mechanism: SECRET_ALGORITHMS.Secret.use.number };
    return this.session.run((cryptoki, session) => {
      cryptoki.C_SignInit(session, mechanism, this.handle.get(cryptoki, session));
      return cryptoki.C_Sign(session, nonNull(message), Buffer.alloc(MAC_BYTES));
    });
  }
}

export class Pkcs11Cipher extends Pkcs11Secret implements HeldCipher {
  encrypt(iv: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
    const mechanism = gcmOf(iv, aad);
    return this.session.run((cryptoki, session) =>
      encryptWith({ cryptoki, session, key: this.handle.get(cryptoki, session) }, mechanism, plaintext),
    );
  }

  decrypt(iv: Buffer, aad: Buffer, ciphertext: Buffer): Buffer {
    const mechanism = gcmOf(iv, aad);
    if (ciphertext.length < TAG_BYTES)
      throw invalid('a ciphertext that ends with a tag', `${ciphertext.length} octets`);
    return this.session.run((cryptoki, session) => {
      const place = { cryptoki, session, key: this.handle.get(cryptoki, session) };
      try {
        return decryptWith(place, mechanism, ciphertext);
      } catch (thrown) {
        if (!mayBeWrongTag(returnValueOf(thrown)) || !works(place)) throw thrown;
        throw new KeysteadError('InvalidRequest', `AES-GCM: the tag does not fit; ${NOT_OURS}`);
      }
    });
  }
}

/** One key in one session. */
interface Place {
  readonly cryptoki: Cryptoki;
  readonly session: Handle;
  readonly key: Handle;
}

type Mechanism = Parameters<Cryptoki['C_EncryptInit']>[1];

function gcmOf(iv: Buffer, aad: Buffer): Mechanism {
  if (iv.length !== IV_BYTES) throw invalid(`an IV of ${IV_BYTES} octets`, `${iv.length}`);
  const parameter = { type: PARAMETERS_GCM, iv, ivBits: 8 * IV_BYTES, aad, tagBits: 8 * TAG_BYTES };
  return { mechanism: SECRET_ALGORITHMS.Cipher.use.number, parameter };
}

function encryptWith({ cryptoki, session, key }: Place, mechanism: Mechanism, plaintext: Buffer): Buffer {
  cryptoki.C_EncryptInit(session, mechanism, key);
  return cryptoki.C_Encrypt(session, nonNull(plaintext), Buffer.alloc(plaintext.length + TAG_BYTES + BLOCK_BYTES));
}

function decryptWith({ cryptoki, session, key }: Place, mechanism: Mechanism, ciphertext: Buffer): Buffer {
  cryptoki.C_DecryptInit(session, mechanism, key);
  return cryptoki.C_Decrypt(session, ciphertext, Buffer.alloc(ciphertext.length + BLOCK_BYTES));
}

/** Whether the key still decrypts what it encrypts: then an error is the ciphertext's and not the token's. */
function works(place: Place): boolean {
  const [mechanism, probe] = [gcmOf(randomBytes(IV_BYTES), Buffer.alloc(0)), randomBytes(BLOCK_BYTES)];
  try {
    return decryptWith(place, mechanism, encryptWith(place, mechanism, probe)).equals(probe);
  } catch {
    return false;
  }
}

/** pkcs11js gives an empty buffer as a null pointer, which libraries refuse; the empty rest of a longer one is not null. */
function nonNull(octets: Buffer): Buffer {
  return octets.length > 0 ? octets : Buffer.alloc(1).subarray(1);
}

function invalid(expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `AES-GCM: expected ${expected}, found ${found}`);
}
