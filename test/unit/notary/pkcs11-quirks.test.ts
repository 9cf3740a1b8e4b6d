// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  ecPoint,
  hmacKeyValue,
  lackOf,
  mayBeWrongTag,
  unpadded,
} from '../../../src/notary/root-of-trust/pkcs11/quirks.ts';

describe('what PKCS#11 libraries do otherwise', () => {
  it.each([[65], [97]])('a point of %d octets is read in its OCTET STRING, and bare', (length) => {
    const point = Buffer.alloc(length, 4);
    expect(ecPoint(point)).toEqual(point);
    expect(ecPoint(Buffer.concat([Buffer.of(4, length), point]))).toEqual(point);
    expect(() => ecPoint(Buffer.concat([Buffer.of(3, length), point]))).toThrow('CKA_EC_POINT');
  });

  it('texts end before their blanks, or zeros', () => {
    expect([unpadded('edge token   '), unpadded('edge\0\0'), unpadded(' ')]).toEqual(['edge token', 'edge', '']);
  });

  it.each([[16], [31], [32], [64]])('an HMAC key of %d octets makes the same HMACs when it is filled up', (length) => {
    const value = randomBytes(length);
    const filled = hmacKeyValue(value);
    expect(filled.length).toBeGreaterThanOrEqual(32);
    expect(createHmac('sha256', filled).update('m').digest()).toEqual(createHmac('sha256', value).update('m').digest());
    expect(filled).not.toBe(value);
  });

  it('a vague return value may mean a wrong tag, a telling one does not', () => {
    expect(['CKR_GENERAL_ERROR', 'CKR_FUNCTION_FAILED'].every(mayBeWrongTag)).toBe(true);
    expect(['CKR_DEVICE_ERROR', undefined].some(mayBeWrongTag)).toBe(false);
  });

  it('what a library lacks by design is told with what to use, and nothing of other libraries', () => {
    const library = '/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so.1';
    expect(lackOf(library, 'CKM_GENERIC_SECRET_KEY_GEN')).toContain('rootOfTrust.tpm');
    expect(lackOf(library, 'CKM_AES_GCM')).toContain('only another token encrypts');
    expect(lackOf(library, 'CKM_ECDSA')).toBeUndefined();
    expect(lackOf('/tpm2_pkcs11/libsofthsm2.so', 'CKM_AES_GCM')).toBeUndefined();
  });
});
