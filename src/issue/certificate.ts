// SPDX-License-Identifier: Apache-2.0
import type { KeyAlgorithm } from '../notary/root-of-trust/port.ts';
import { bitString, context, sequence, TAG, tlv, unsignedInteger, utf8String } from './der.ts';
import { DerWriter } from './der-writer.ts';
import {
  CA_EXTENSIONS,
  LEAF_EXTENSIONS,
  writeAuthorityKeyIdentifier,
  writeSubjectAltName,
  writeSubjectKeyIdentifier,
} from './extensions.ts';
import { OID } from './object-identifiers.ts';
import { keyIdentifier } from './public-key.ts';
import { SIGNATURE_ALGORITHMS } from './signature-algorithm.ts';
import { writeValidity, type Validity } from './validity.ts';

/** Whoever signs: a key that stays where it is, and the algorithm that goes into the certificate. */
export interface Signer {
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** `message` is valid during the call only. */
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
/** Tag of TBSCertificate's `[3] EXPLICIT` extensions. */
const EXTENSIONS = 0xa3;

/**
 * An X.509-SVID, DER. The subject is empty and the SAN therefore critical: the identity stands in one place only, the
 * URI, and no verifier can fall back to a common name. Istio's mesh has run this form with every TLS library there is.
 */
export function buildLeaf(signer: Signer, issuer: IssuerIdentity, fields: LeafFields): Buffer {
  const tbs = leafTbs(signer.algorithm, issuer, fields);
  return certificateOf(tbs, signer.algorithm, signer.sign(tbs));
}

/** Its TBSCertificate, DER, for who signs elsewhere or later. Valid until the next certificate is built. */
export function leafTbs(algorithm: KeyAlgorithm, issuer: IssuerIdentity, fields: LeafFields): Buffer {
  return tbsOf(algorithm, { ...fields, issuer: issuer.name, subject: EMPTY_NAME }, () => {
    writeSubjectAltName(writer, fields.spiffeId, fields.dnsNames, true);
    writeAuthorityKeyIdentifier(writer, issuer.keyIdentifier);
    writeSubjectKeyIdentifier(writer, keyIdentifier(fields.publicKey));
    writer.bytes(LEAF_EXTENSIONS);
  });
}

/** The certificate that a TBSCertificate and its signature make, DER. */
export function certificateOf(tbs: Buffer, algorithm: KeyAlgorithm, signature: Buffer): Buffer {
  return sequence(tbs, SIGNATURE_ALGORITHMS[algorithm].identifier, bitString(signature));
}

/**
 * The node's self-signed CA certificate, DER. It carries no name constraints: rustls refuses every chain under a URI
 * constraint (rustls/webpki issue 514; RUSTSEC-2026-0098), and within a trust domain each node's CA may name any module
 * anyway. What binds it to the trust domain is the bundle that it stands in (SPIFFE Trust Domain and Bundle, 3).
 */
export function buildCa(signer: Signer, fields: CaFields): Buffer {
  const identifier = keyIdentifier(signer.publicKey);
  const name = caName(fields.commonName);
  const parts = { ...fields, issuer: name, subject: name, publicKey: signer.publicKey };
  const tbs = tbsOf(signer.algorithm, parts, () => {
    writeSubjectAltName(writer, `spiffe://${fields.trustDomain}`, [], false);
    writeAuthorityKeyIdentifier(writer, identifier);
    writeSubjectKeyIdentifier(writer, identifier);
    writer.bytes(CA_EXTENSIONS);
  });
  return certificateOf(tbs, signer.algorithm, signer.sign(tbs));
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
}

/** Building is synchronous, so that one buffer serves all certificates. */
const writer = new DerWriter();

/** `writeExtensions` writes them last first, as everything is written here. */
function tbsOf(algorithm: KeyAlgorithm, fields: TbsFields, writeExtensions: () => void): Buffer {
  const { identifier } = SIGNATURE_ALGORITHMS[algorithm];
  writer.clear();
  writeExtensions();
  writer.wrap(TAG.sequence, 0);
  writer.wrap(EXTENSIONS, 0);
  writer.bytes(fields.publicKey);
  writer.bytes(fields.subject);
  writeValidity(writer, fields.validity);
  writer.bytes(fields.issuer);
  writer.bytes(identifier);
  writer.unsignedInteger(fields.serial);
  writer.bytes(VERSION_3);
  writer.wrap(TAG.sequence, 0);
  return writer.view();
}
