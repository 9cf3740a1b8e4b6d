// SPDX-License-Identifier: Apache-2.0
import type { KeyAlgorithm } from '../notary/root-of-trust/port.ts';
import { bitString, context, sequence, TAG, tlv, unsignedInteger, utf8String } from './der.ts';
import {
  authorityKeyIdentifier,
  CA_BASIC_CONSTRAINTS,
  CA_KEY_USAGE,
  LEAF_BASIC_CONSTRAINTS,
  LEAF_EXTENDED_KEY_USAGE,
  LEAF_KEY_USAGE,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts';
import { OID } from './object-identifiers.ts';
import { keyIdentifier } from './public-key.ts';
import { SIGNATURE_ALGORITHMS } from './signature-algorithm.ts';
import { encodeValidity, type Validity } from './validity.ts';

/** Whoever signs: a key that stays where it is, and the algorithm that goes into the certificate. */
export interface Signer {
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  sign(message: Buffer): Buffer;
}

/** What a certificate needs of the CA above it. */
export interface IssuerIdentity {
  /** Name, DER: the CA's subject. */
  readonly name: Buffer;
  readonly keyIdentifier: Buffer;
}

export interface LeafFields {
  readonly serial: Buffer;
  readonly validity: Validity;
  readonly spiffeId: string;
  readonly dnsNames: readonly string[];
  readonly publicKey: Buffer;
}

export interface CaFields {
  readonly serial: Buffer;
  readonly validity: Validity;
  readonly trustDomain: string;
  readonly commonName: string;
}

/** RFC 5280 ub-common-name, characters. */
const MAX_COMMON_NAME = 64;
const VERSION_3 = context(0, true, unsignedInteger(Buffer.of(2)));
const EMPTY_NAME = sequence();

/**
 * An X.509-SVID, DER. The subject is empty and the SAN therefore critical: the identity stands in one place only, the
 * URI, and no verifier can fall back to a common name. Istio's mesh has run this form with every TLS library there is.
 */
export function buildLeaf(signer: Signer, issuer: IssuerIdentity, fields: LeafFields): Buffer {
  const extensions = [
    LEAF_KEY_USAGE,
    LEAF_EXTENDED_KEY_USAGE,
    LEAF_BASIC_CONSTRAINTS,
    subjectKeyIdentifier(keyIdentifier(fields.publicKey)),
    authorityKeyIdentifier(issuer.keyIdentifier),
    subjectAltName(fields.spiffeId, fields.dnsNames, true),
  ];
  return signed(signer, { ...fields, issuer: issuer.name, subject: EMPTY_NAME, extensions });
}

/**
 * The node's self-signed CA certificate, DER. It carries no name constraints: rustls refuses every chain under a URI
 * constraint (rustls/webpki issue 514; RUSTSEC-2026-0098), and within a trust domain each node's CA may name any module
 * anyway. What binds it to the trust domain is the bundle that it stands in (SPIFFE Trust Domain and Bundle, 3).
 */
export function buildCa(signer: Signer, fields: CaFields): Buffer {
  const identifier = keyIdentifier(signer.publicKey);
  const name = caName(fields.commonName);
  const extensions = [
    CA_KEY_USAGE,
    CA_BASIC_CONSTRAINTS,
    subjectKeyIdentifier(identifier),
    authorityKeyIdentifier(identifier),
    subjectAltName(`spiffe://${fields.trustDomain}`, [], false),
  ];
  return signed(signer, { ...fields, issuer: name, subject: name, publicKey: signer.publicKey, extensions });
}

function caName(commonName: string): Buffer {
  const value = utf8String(commonName.slice(0, MAX_COMMON_NAME));
  return sequence(tlv(TAG.set, sequence(OID.commonName, value)));
}

interface TbsFields {
  readonly serial: Buffer;
  readonly issuer: Buffer;
  readonly validity: Validity;
  readonly subject: Buffer;
  readonly publicKey: Buffer;
  readonly extensions: readonly Buffer[];
}

function signed(signer: Signer, fields: TbsFields): Buffer {
  const { identifier } = SIGNATURE_ALGORITHMS[signer.algorithm];
  const tbs = sequence(
    VERSION_3,
    unsignedInteger(fields.serial),
    identifier,
    fields.issuer,
    encodeValidity(fields.validity),
    fields.subject,
    fields.publicKey,
    context(3, true, sequence(...fields.extensions)),
  );
  return sequence(tbs, identifier, bitString(signer.sign(tbs)));
}
