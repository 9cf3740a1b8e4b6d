// SPDX-License-Identifier: Apache-2.0
import { context, namedBits, octetString, sequence, TRUE, unsignedInteger } from './der.ts';
import { OID } from './object-identifiers.ts';

/** Bits of KeyUsage (RFC 5280 4.2.1.3). */
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

/** Choices of GeneralName (RFC 5280 4.2.1.6). */
export const DNS_NAME = 2;
export const URI_NAME = 6;

function extension(oid: Buffer, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid, TRUE, octetString(value)) : sequence(oid, octetString(value));
}

/** A leaf may sign handshakes and tokens, nothing else (X.509-SVID 4.3). */
export const LEAF_KEY_USAGE = extension(OID.keyUsage, true, namedBits(DIGITAL_SIGNATURE));
export const LEAF_EXTENDED_KEY_USAGE = extension(OID.extendedKeyUsage, false, sequence(OID.serverAuth, OID.clientAuth));
/** cA is FALSE by default, and DER leaves defaults out. */
export const LEAF_BASIC_CONSTRAINTS = extension(OID.basicConstraints, true, sequence());

export const CA_KEY_USAGE = extension(OID.keyUsage, true, namedBits(KEY_CERT_SIGN, CRL_SIGN));
/** cA TRUE, pathLenConstraint 0: leaves directly below, no further CA. */
export const CA_BASIC_CONSTRAINTS = extension(
  OID.basicConstraints,
  true,
  sequence(TRUE, unsignedInteger(Buffer.of(0))),
);

export function subjectKeyIdentifier(identifier: Buffer): Buffer {
  return extension(OID.subjectKeyIdentifier, false, octetString(identifier));
}

export function authorityKeyIdentifier(identifier: Buffer): Buffer {
  return extension(OID.authorityKeyIdentifier, false, sequence(context(0, false, identifier)));
}

/** One URI, then DNS names. Critical where the subject is empty (RFC 5280 4.2.1.6). */
export function subjectAltName(uri: string, dnsNames: readonly string[], critical: boolean): Buffer {
  const names = dnsNames.map((name) => context(DNS_NAME, false, Buffer.from(name, 'latin1')));
  return extension(
    OID.subjectAltName,
    critical,
    sequence(context(URI_NAME, false, Buffer.from(uri, 'latin1')), ...names),
  );
}
