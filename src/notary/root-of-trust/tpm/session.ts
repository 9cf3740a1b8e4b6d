// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { TPM_ALG, TPMA_SESSION } from '../../../tpm/constants.ts';
import { hmac, kdfA } from '../../../tpm/key-derivation.ts';
import type { TpmReader } from '../../../tpm/reader.ts';
import { EMPTY, sized, u32, u8 } from '../../../tpm/writer.ts';

/** Digest of all sessions; with AES-128-CFB for parameters. Every TPM has both (PC Client Platform TPM Profile). */
export const SESSION_HASH: typeof TPM_ALG.sha256 = TPM_ALG.sha256;
const NONCE_BYTES = 32;
const AES_KEY_BYTES = 16;

export interface SessionFields {
  readonly kind: 'hmac' | 'policy';
  readonly handle: number;
  /** Empty for a session without salt. */
  readonly salt: Buffer;
  readonly nonceCaller: Buffer;
  readonly nonceTpm: Buffer;
}

/** What one command does with one session. */
export interface SessionUse {
  readonly session: AuthSession;
  /** Authorisation value of the object that this session authorises. */
  readonly auth: Buffer;
  /** TPMA_SESSION. */
  readonly attributes: number;
}

/**
 * An authorisation session with rolling nonces (Part 1, 19). A salted one is proof against who listens on the bus: the
 * salt is known to the TPM and to this process alone; it authenticates commands and responses and encrypts parameters.
 */
export class AuthSession {
  readonly kind: 'hmac' | 'policy';
  readonly handle: number;
  readonly #key: Buffer;
  #nonceCaller: Buffer;
  #nonceTpm: Buffer;

  constructor(fields: SessionFields) {
    this.kind = fields.kind;
    this.handle = fields.handle;
    this.#nonceCaller = fields.nonceCaller;
    this.#nonceTpm = fields.nonceTpm;
    // Part 1, 19.6.8: without salt and binding the session key is empty.
    const nonces = { first: fields.nonceTpm, second: fields.nonceCaller };
    this.#key =
      fields.salt.length === 0 ? EMPTY : kdfA(fields.salt, { hash: SESSION_HASH, label: 'ATH', ...nonces, bits: 256 });
  }

  static newNonce(): Buffer {
    return randomBytes(NONCE_BYTES);
  }

  /** Whether encryption with this session and authorisation value hides anything. */
  hides(auth: Buffer): boolean {
    return this.#key.length + auth.length > 0;
  }

  /** A new nonce for the next command. */
  roll(): void {
    this.#nonceCaller = AuthSession.newNonce();
  }

  /** TPMS_AUTH_COMMAND (Part 2, 10.13.2) over the digest of command, names and parameters. */
  authorise(use: SessionUse, commandDigest: Buffer): Buffer {
    const mac = this.#mac(use, commandDigest, [this.#nonceCaller, this.#nonceTpm]);
    return Buffer.concat([u32(this.handle), sized(this.#nonceCaller), u8(use.attributes), sized(mac)]);
  }

  /** Reads TPMS_AUTH_RESPONSE and checks its HMAC. Throws TokenFailed: somebody else may have answered. */
  accept(use: SessionUse, reader: TpmReader, responseDigest: Buffer): void {
    const nonce = reader.sized();
    const attributes = reader.u8();
    const mac = reader.sized();
    const expected = this.#mac({ ...use, attributes }, responseDigest, [nonce, this.#nonceCaller]);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) {
      const found = 'a response that is not from the TPM that this session was opened with';
      throw new KeysteadError(
        'TokenFailed',
        `TPM session: found ${found}; check what sits between this host and its TPM`,
      );
    }
    this.#nonceTpm = nonce;
  }

  /** Encrypts the first parameter of a command (Part 1, 21.3). */
  encrypt(content: Buffer, auth: Buffer): Buffer {
    const { key, iv } = this.#cipherKey(auth, [this.#nonceCaller, this.#nonceTpm]);
    const cipher = createCipheriv('aes-128-cfb', key, iv);
    return Buffer.concat([cipher.update(content), cipher.final()]);
  }

  /** Decrypts the first parameter of a response, after `accept`. */
  decrypt(content: Buffer, auth: Buffer): Buffer {
    const { key, iv } = this.#cipherKey(auth, [this.#nonceTpm, this.#nonceCaller]);
    const decipher = createDecipheriv('aes-128-cfb', key, iv);
    return Buffer.concat([decipher.update(content), decipher.final()]);
  }

  #mac(use: SessionUse, content: Buffer, [newer, older]: readonly [Buffer, Buffer]): Buffer {
    // Part 1, 19.6.5: a policy session proves the object's authorisation value only after PolicyAuthValue, not used here.
    const key = this.kind === 'policy' ? this.#key : Buffer.concat([this.#key, use.auth]);
    if (this.kind === 'policy' && key.length === 0) return EMPTY;
    return hmac(SESSION_HASH, key, content, newer, older, u8(use.attributes));
  }

  #cipherKey(auth: Buffer, [first, second]: readonly [Buffer, Buffer]): { key: Buffer; iv: Buffer } {
    const secret = Buffer.concat([this.#key, auth]);
    const both = kdfA(secret, { hash: SESSION_HASH, label: 'CFB', first, second, bits: 256 });
    return { key: both.subarray(0, AES_KEY_BYTES), iv: both.subarray(AES_KEY_BYTES) };
  }
}

/** TPMA_SESSION of a use: always continued (sessions are flushed by name), encrypting both ways where asked. */
export function sessionAttributes(encryptable: string): number {
  const command = encryptable.includes('c') ? TPMA_SESSION.decrypt : 0;
  const response = encryptable.includes('r') ? TPMA_SESSION.encrypt : 0;
  return TPMA_SESSION.continue | command | response;
}
