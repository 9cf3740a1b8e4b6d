// SPDX-License-Identifier: Apache-2.0
import { objectIdentifier } from './der.ts';

/** Object identifiers of what the notary writes and reads, DER-encoded. */
export const OID = {
  /** RFC 5480. */
  ecPublicKey: objectIdentifier('1.2.840.10045.2.1'),
  secp256r1: objectIdentifier('1.2.840.10045.3.1.7'),
  secp384r1: objectIdentifier('1.3.132.0.34'),
  ecdsaWithSha256: objectIdentifier('1.2.840.10045.4.3.2'),
  ecdsaWithSha384: objectIdentifier('1.2.840.10045.4.3.3'),
  ecdsaWithSha512: objectIdentifier('1.2.840.10045.4.3.4'),
  /** RFC 8017. */
  rsaEncryption: objectIdentifier('1.2.840.113549.1.1.1'),
  sha256WithRsaEncryption: objectIdentifier('1.2.840.113549.1.1.11'),
  sha384WithRsaEncryption: objectIdentifier('1.2.840.113549.1.1.12'),
  sha512WithRsaEncryption: objectIdentifier('1.2.840.113549.1.1.13'),
  /** RFC 2985. */
  extensionRequest: objectIdentifier('1.2.840.113549.1.9.14'),
  /** RFC 5280 appendix A. */
  commonName: objectIdentifier('2.5.4.3'),
  subjectKeyIdentifier: objectIdentifier('2.5.29.14'),
  keyUsage: objectIdentifier('2.5.29.15'),
  subjectAltName: objectIdentifier('2.5.29.17'),
  basicConstraints: objectIdentifier('2.5.29.19'),
  crlNumber: objectIdentifier('2.5.29.20'),
  reasonCode: objectIdentifier('2.5.29.21'),
  authorityKeyIdentifier: objectIdentifier('2.5.29.35'),
  extendedKeyUsage: objectIdentifier('2.5.29.37'),
  serverAuth: objectIdentifier('1.3.6.1.5.5.7.3.1'),
  clientAuth: objectIdentifier('1.3.6.1.5.5.7.3.2'),
} as const;
