// SPDX-License-Identifier: Apache-2.0
import { TAG } from '../../../issue/der.ts';
import { DerReader } from '../../../issue/der-reader.ts';

/*
 * Where PKCS#11 libraries depart from PKCS#11 2.40, each with who is known for it and what is done. All but the last are
 * worked around whatever the library is, since that harms none. What is only named otherwise is in `return-values.ts`.
 */

const POINT_BYTES: readonly number[] = [65, 97];

/** CKA_EC_POINT is a point in an OCTET STRING; older libraries of smart cards give the point bare. */
export function ecPoint(value: Buffer): Buffer {
  return POINT_BYTES.includes(value.length) ? value : new DerReader(value).read(TAG.octetString, 'CKA_EC_POINT');
}

/** CK_TOKEN_INFO's texts are filled up with blanks; some libraries take zeros. */
export function unpadded(text: string): string {
  return text.replace(/[\0 ]+$/, '');
}

const SHORTEST_HMAC_KEY_BYTES = 32;

/**
 * SoftHSM2 takes no HMAC key shorter than the digest. A shorter one is filled up with zeros, which leaves every HMAC as it
 * is (RFC 2104, 2: K is filled up with zeros anyway). A copy; the caller wipes it.
 */
export function hmacKeyValue(value: Buffer): Buffer {
  const filled = Buffer.alloc(Math.max(value.length, SHORTEST_HMAC_KEY_BYTES));
  value.copy(filled);
  return filled;
}

const VAGUE: ReadonlySet<string | undefined> = new Set(['CKR_GENERAL_ERROR', 'CKR_FUNCTION_FAILED']);

/** SoftHSM2 2.6 says CKR_GENERAL_ERROR of a GCM tag that does not fit: whether key and token still work must tell. */
export function mayBeWrongTag(returnValue: string | undefined): boolean {
  return VAGUE.has(returnValue);
}

interface Lack {
  /** In the name of the library's file. */
  readonly library: RegExp;
  readonly mechanisms: readonly string[];
  readonly reason: string;
}

/** What a library cannot do by its design, and what can. */
const LACKS: readonly Lack[] = [
  {
    library: /tpm2_pkcs11/,
    mechanisms: ['CKM_GENERIC_SECRET_KEY_GEN', 'CKM_SHA256_HMAC'],
    reason: 'tpm2-pkcs11 has no generic secrets; rootOfTrust.tpm has the same TPM make HMAC keys',
  },
  {
    library: /tpm2_pkcs11/,
    mechanisms: ['CKM_AES_GCM', 'CKM_AES_KEY_GEN'],
    reason: 'tpm2-pkcs11 has no AES-GCM, nor has a TPM: only another token encrypts',
  },
];

/** Why this library lacks a mechanism, where that is known. */
export function lackOf(library: string, mechanism: string): string | undefined {
  const name = library.slice(library.lastIndexOf('/') + 1);
  return LACKS.find((lack) => lack.library.test(name) && lack.mechanisms.includes(mechanism))?.reason;
}
