// SPDX-License-Identifier: Apache-2.0
import { namedBits, octetString, sequence, TAG, TRUE, unsignedInteger } from './der.ts';
import type { DerWriter } from './der-writer.ts';
import { OID } from './object-identifiers.ts';

/** Bits of KeyUsage (RFC 5280 4.2.1.3). */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** Choices of GeneralName (RFC 5280 4.2.1.6). */
export const DNS_NAME = 2;
export const URI_NAME = 6;
/** Class bits of context-specific primitive tags. */
const CONTEXT = 0x80;

function extension(oid: Buffer, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid, TRUE, octetString(value)) : sequence(oid, octetString(value));
}

/** A leaf may sign handshakes and tokens, nothing else (X.509-SVID 4.3). */
const LEAF_KEY_USAGE = extension(OID.keyUsage, true, namedBits(DIGITAL_SIGNATURE));
const LEAF_EXTENDED_KEY_USAGE = extension(OID.extendedKeyUsage, false, sequence(OID.serverAuth, OID.clientAuth));
/** cA is FALSE by default, and DER leaves defaults out. */
const LEAF_BASIC_CONSTRAINTS = extension(OID.basicConstraints, true, sequence());

const CA_KEY_USAGE = extension(OID.keyUsage, true, namedBits(KEY_CERT_SIGN, CRL_SIGN));
/** cA TRUE, pathLenConstraint 0: leaves directly below, no further CA. */
const CA_BASIC_CONSTRAINTS = extension(OID.basicConstraints, true, sequence(TRUE, unsignedInteger(Buffer.of(0))));

/** What all leaves have in common, and all CAs. */
export const LEAF_EXTENSIONS = Buffer.concat([LEAF_KEY_USAGE, LEAF_EXTENDED_KEY_USAGE, LEAF_BASIC_CONSTRAINTS]);
export const CA_EXTENSIONS = Buffer.concat([CA_KEY_USAGE, CA_BASIC_CONSTRAINTS]);

export function writeSubjectKeyIdentifier(writer: DerWriter, identifier: Buffer): void {
  const end = writer.length;
  writer.bytes(identifier);
  writer.wrap(TAG.octetString, end);
  wrapExtension(writer, OID.subjectKeyIdentifier, end);
}

export function writeAuthorityKeyIdentifier(writer: DerWriter, identifier: Buffer): void {
  const end = writer.length;
  writer.bytes(identifier);
  writer.wrap(CONTEXT | 0, end);
  writer.wrap(TAG.sequence, end);
  wrapExtension(writer, OID.authorityKeyIdentifier, end);
}

/** One URI, then DNS names. Critical where the subject is empty (RFC 5280 4.2.1.6). */
export function writeSubjectAltName(
  writer: DerWriter,
  uri: string,
  dnsNames: readonly string[],
  critical: boolean,
): void {
  const end = writer.length;
  for (let index = dnsNames.length - 1; index >= 0; index--) writeName(writer, DNS_NAME, dnsNames[index] ?? '');
  writeName(writer, URI_NAME, uri);
  writer.wrap(TAG.sequence, end);
  wrapExtension(writer, OID.subjectAltName, end, critical);
}

function writeName(writer: DerWriter, choice: number, name: string): void {
  const end = writer.length;
  writer.latin1(name);
  writer.wrap(CONTEXT | choice, end);
}

function wrapExtension(writer: DerWriter, oid: Buffer, end: number, critical = false): void {
  writer.wrap(TAG.octetString, end);
  if (critical) writer.bytes(TRUE);
  writer.bytes(oid);
  writer.wrap(TAG.sequence, end);
}
