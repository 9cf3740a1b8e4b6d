// SPDX-License-Identifier: Apache-2.0
import { bitString, context, sequence, tlv, unsignedInteger, TAG } from './der.ts';
import { DerWriter } from './der-writer.ts';
import { writeSubjectAltName } from './extensions.ts';
import { OID } from './object-identifiers.ts';

/** What a request asks for, and the P-256 key that it is for. */
export interface RequestedCertificate {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** Left out, the issuer gives the name that it knows the asker by. */
  readonly spiffeId?: string;
  readonly dnsNames?: readonly string[];
  /** ECDSA over SHA-256, DER, by the key itself. */
  sign(message: Buffer): Buffer;
}

/** A CertificationRequest (RFC 2986), DER, with an empty subject. */
export function buildCertificationRequest(wanted: RequestedCertificate): Buffer {
  const { publicKey, spiffeId, dnsNames = [] } = wanted;
  const names = new DerWriter();
  if (spiffeId !== undefined) writeSubjectAltName(names, spiffeId, dnsNames, false);
  const extensionRequest = sequence(OID.extensionRequest, tlv(TAG.set, sequence(names.view())));
  const attributes = context(0, true, ...(names.length > 0 ? [extensionRequest] : []));
  const info = sequence(unsignedInteger(Buffer.of(0)), sequence(), publicKey, attributes);
  return sequence(info, sequence(OID.ecdsaWithSha256), bitString(wanted.sign(info)));
}
