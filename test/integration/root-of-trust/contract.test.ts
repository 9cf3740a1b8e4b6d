// SPDX-License-Identifier: Apache-2.0
import { createHmac, createPublicKey, hash, randomBytes, verify } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SIGNATURE_ALGORITHMS } from '../../../src/issue/signature-algorithm.ts';
import type { HeldKey, RootOfTrust } from '../../../src/notary/root-of-trust/port.ts';
import { ALL, type RootUnderTest } from './root-under-test.ts';
import { softHsmRoot } from './softhsm-root.ts';
import { softwareRoot } from './software-root.ts';
import { tpmRoot } from './tpm-root.ts';
import { tpm2Pkcs11Root } from './tpm2-pkcs11-root.ts';

jest.setTimeout(180_000);

const ROOTS: readonly (readonly [string, () => Promise<RootUnderTest>])[] = [
  ['PKCS#11 over SoftHSM2', softHsmRoot],
  ['PKCS#11 over tpm2-pkcs11 and swtpm', tpm2Pkcs11Root],
  ['TPM 2.0 over swtpm', tpmRoot],
  ['software', softwareRoot],
];

/** What a key says of itself that was made where it lives. */
const MADE = { sensitive: true, extractable: false, neverExtractable: true, local: true };
const IMPORTED = { sensitive: true, extractable: false, neverExtractable: false, local: false };
/** Software keys claim nothing. */
const SOFTWARE = { sensitive: false, extractable: true, neverExtractable: false };
const LABEL = 'keystead-issuer:edge.example:node-1:1';
const message = Buffer.from('the message');

const failsWith = (code: string): unknown => expect.objectContaining({ code });

function verifies(key: HeldKey, signature: Buffer): boolean {
  const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
  return verify(SIGNATURE_ALGORITHMS[key.algorithm].digest, message, publicKey, signature);
}

describe.each(ROOTS)('root-of-trust contract: %s', (_, make) => {
  let under: RootUnderTest;
  let root: RootOfTrust;

  beforeAll(async () => {
    under = await make();
    root = under.open();
  });
  afterEach(() => {
    for (const label of root.labels()) root.destroy(label);
    for (const label of root.labels('Secret')) root.destroySecret(label);
    for (const label of root.labels('Cipher')) root.destroyCipher(label);
  });
  afterAll(async () => {
    root.close();
    await under.remove();
  });

  const made = (): unknown => (under.kind === 'Software' ? { ...SOFTWARE, local: true } : MADE);

  /** As after a restart of the notary and of what holds the keys. */
  async function reopen(): Promise<void> {
    root.close();
    await under.restart();
    root = under.open();
  }

  it('says what it is', () => {
    expect(root.token.kind).toBe(under.kind);
    expect(root.token.label).not.toBe('');
    expect(root.token.serial).not.toBe('');
  });

  describe('a key pair', () => {
    it.each(ALL)('of %s is made, signs and verifies, or MechanismMissing names it', async (algorithm) => {
      if (under.missing.includes(algorithm)) {
        expect(() => root.generate(LABEL, algorithm)).toThrow(failsWith('MechanismMissing'));
        expect(() => root.generate(LABEL, algorithm)).toThrow(algorithm);
        expect(root.find(LABEL)).toBeUndefined();
        return;
      }
      const key = root.generate(LABEL, algorithm);
      expect(key).toMatchObject({ label: LABEL, algorithm });
      expect(key.attributes).toEqual(made());
      expect(verifies(key, key.sign(message))).toBe(true);
      const digest = hash(SIGNATURE_ALGORITHMS[algorithm].digest, message, 'buffer');
      if (under.digests.includes(algorithm)) expect(verifies(key, key.signDigest(digest))).toBe(true);
      else expect(() => key.signDigest(digest)).toThrow(failsWith('MechanismMissing'));
      await reopen();
      const again = root.find(LABEL)!;
      expect(again).toMatchObject({ label: LABEL, algorithm, uri: key.uri, attributes: key.attributes });
      expect(again.publicKey).toEqual(key.publicKey);
      expect(verifies(again, again.sign(message))).toBe(true);
      expect(verifies(again, again.sign(Buffer.from('another message')))).toBe(false);
    });

    it('is found by its whole label alone, and gone when it was destroyed', () => {
      expect(root.find(LABEL)).toBeUndefined();
      const first = root.generate(LABEL, 'EC-P256');
      const second = root.generate(`${LABEL}0`, 'EC-P256');
      expect(first.publicKey).not.toEqual(second.publicKey);
      expect(root.labels()).toEqual([LABEL, `${LABEL}0`]);
      expect(root.find(LABEL.slice(0, -1))).toBeUndefined();
      root.destroy(LABEL);
      root.destroy(LABEL);
      expect(root.labels()).toEqual([`${LABEL}0`]);
      expect(root.find(LABEL)).toBeUndefined();
      expect(verifies(second, second.sign(message))).toBe(true);
    });

    it('has a label that is any text', () => {
      for (const label of ['ä €/;%?#', '../../etc/passwd', 'x'.repeat(200)]) {
        expect(root.generate(label, 'EC-P256').label).toBe(label);
        expect(root.labels()).toEqual([label]);
        expect(root.find(label)!.uri).not.toMatch(/[ €]/);
        root.destroy(label);
      }
    });

    it('is not made twice under one label', () => {
      const key = root.generate(LABEL, 'EC-P256');
      expect(() => root.generate(LABEL, 'EC-P256')).toThrow(failsWith('Internal'));
      expect(root.find(LABEL)!.publicKey).toEqual(key.publicKey);
    });

    it('serves beside others in turn, more of them than a TPM has slots', () => {
      const keys = ['a', 'b', 'c', 'd', 'e'].map((label) => root.generate(label, 'EC-P256'));
      for (let round = 0; round < 3; round++) {
        for (const key of keys) expect(verifies(key, key.sign(message))).toBe(true);
      }
    });
  });

  describe('a secret', () => {
    it('is made there, computes HMAC-SHA256, and stays; or MechanismMissing says why not', async () => {
      if (!under.secrets) {
        expect(() => root.generateSecret(LABEL)).toThrow(failsWith('MechanismMissing'));
        expect(() => root.generateSecret(LABEL)).toThrow(
          /no CKM_.*tpm2-pkcs11 has no generic secrets; rootOfTrust.tpm has/,
        );
        expect(root.findSecret(LABEL)).toBeUndefined();
        expect(root.labels('Secret')).toEqual([]);
        return;
      }
      const secret = root.generateSecret(LABEL);
      expect(secret.attributes).toEqual(made());
      const mac = secret.hmac(message);
      expect(mac).toHaveLength(32);
      expect(secret.hmac(Buffer.from('another'))).not.toEqual(mac);
      expect(root.generateSecret('other').hmac(message)).not.toEqual(mac);
      expect(root.labels('Secret')).toEqual([LABEL, 'other']);
      expect(root.labels()).toEqual([]);
      expect(() => root.generateSecret(LABEL)).toThrow(failsWith('Internal'));
      await reopen();
      expect(root.findSecret(LABEL)!.hmac(message)).toEqual(mac);
      root.destroySecret(LABEL);
      root.destroySecret(LABEL);
      expect(root.findSecret(LABEL)).toBeUndefined();
    });

    it.each([16, 32, 64])('of %d octets is imported, and taken for imported only', async (length) => {
      const value = randomBytes(length);
      if (!under.secrets) {
        expect(() => root.importSecret(LABEL, value)).toThrow(failsWith('MechanismMissing'));
        return;
      }
      const secret = root.importSecret(LABEL, value);
      expect(secret.attributes).toEqual(under.kind === 'Software' ? { ...SOFTWARE, local: false } : IMPORTED);
      await reopen();
      expect(() => root.findSecret(LABEL)).toThrow(failsWith('KeyUnfit'));
      for (const size of [0, 1, 1024, 1025, 5000]) {
        const input = randomBytes(size);
        const expected = createHmac('sha256', value).update(input).digest();
        expect(root.findSecret(LABEL, 'Imported')!.hmac(input)).toEqual(expected);
      }
    });

    it('is listed among more than one call of C_FindObjects gives', () => {
      if (!under.secrets) return;
      const labels = Array.from({ length: 130 }, (_unused, index) => `secret ${String(index).padStart(3, '0')}`);
      for (const label of labels) root.generateSecret(label);
      expect(root.labels('Secret')).toEqual(labels);
    });

    it('that is too short or too long is refused', () => {
      for (const length of [0, 15, 65]) {
        expect(() => root.importSecret(LABEL, randomBytes(length))).toThrow(failsWith('InvalidRequest'));
      }
      expect(root.labels('Secret')).toEqual([]);
    });
  });

  describe('a cipher', () => {
    const iv = Buffer.alloc(12, 7);
    const aad = Buffer.from('for whom');

    it('encrypts and decrypts with AES-256-GCM, and stays; or MechanismMissing says why not', async () => {
      if (!under.ciphers) {
        expect(() => root.generateCipher(LABEL)).toThrow(failsWith('MechanismMissing'));
        expect(() => root.generateCipher(LABEL)).toThrow('AES-GCM');
        expect(root.findCipher(LABEL)).toBeUndefined();
        expect(root.labels('Cipher')).toEqual([]);
        return;
      }
      const cipher = root.generateCipher(LABEL);
      expect(cipher.attributes).toEqual(made());
      for (const size of [0, 1, 16, 1000, 20_000]) {
        const plaintext = randomBytes(size);
        const ciphertext = cipher.encrypt(iv, aad, plaintext);
        expect(ciphertext).toHaveLength(size + 16);
        expect(cipher.decrypt(iv, aad, ciphertext)).toEqual(plaintext);
      }
      const ciphertext = cipher.encrypt(iv, aad, message);
      expect(root.generateCipher('other').encrypt(iv, aad, message)).not.toEqual(ciphertext);
      expect(root.labels('Cipher')).toEqual([LABEL, 'other']);
      expect(root.labels('Secret')).toEqual([]);
      await reopen();
      expect(root.findCipher(LABEL)!.decrypt(iv, aad, ciphertext)).toEqual(message);
      root.destroyCipher(LABEL);
      expect(root.findCipher(LABEL)).toBeUndefined();
    });

    it('refuses what it did not encrypt, or what was altered, and goes on', () => {
      if (!under.ciphers) return;
      const cipher = root.generateCipher(LABEL);
      const ciphertext = cipher.encrypt(iv, aad, message);
      const altered = Buffer.from(ciphertext);
      altered[0]! ^= 1;
      const attempts: readonly (readonly [Buffer, Buffer, Buffer])[] = [
        [iv, aad, altered],
        [iv, aad, ciphertext.subarray(0, -1)],
        [iv, aad, ciphertext.subarray(0, 10)],
        [iv, Buffer.from('for another'), ciphertext],
        [Buffer.alloc(12, 8), aad, ciphertext],
        [Buffer.alloc(16, 7), aad, ciphertext],
      ];
      for (const attempt of attempts) expect(() => cipher.decrypt(...attempt)).toThrow(failsWith('InvalidRequest'));
      expect(cipher.decrypt(iv, aad, ciphertext)).toEqual(message);
    });
  });
});
