// SPDX-License-Identifier: Apache-2.0
import type { IssuerIdentity, Signer } from './certificate.ts';
import { bitString, context, octetString, sequence, TAG, tlv, unsignedInteger } from './der.ts';
import { OID } from './object-identifiers.ts';
import { SIGNATURE_ALGORITHMS } from './signature-algorithm.ts';
import { encodeTime } from './validity.ts';

/** CRLReason (RFC 5280 5.3.1), those that a node can say. */
export const REVOCATION_REASONS = {
  keyCompromise: 1,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof REVOCATION_REASONS;

export interface RevokedCertificate {
  /** Hex. */
  readonly serial: string;
  /** Milliseconds since the Unix epoch. */
  readonly revokedAt: number;
  readonly reason: RevocationReason;
}

export interface CrlFields {
  /** Grows with each list of the same CA (RFC 5280 5.2.3). */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedCertificate[];
}

const VERSION_2 = unsignedInteger(Buffer.of(1));

/** A version 2 certificate revocation list (RFC 5280 5), DER: complete, of this CA's own certificates. */
export function buildCrl(signer: Signer, issuer: IssuerIdentity, fields: CrlFields): Buffer {
  const { identifier } = SIGNATURE_ALGORITHMS[signer.algorithm];
  const { number, thisUpdate, nextUpdate, revoked } = fields;
  const extensions = sequence(
    extension(OID.authorityKeyIdentifier, sequence(context(0, false, issuer.keyIdentifier))),
    extension(OID.crlNumber, unsignedInteger(octetsOf(number))),
  );
  const tbs = sequence(
    VERSION_2,
    identifier,
    issuer.name,
    encodeTime(thisUpdate),
    encodeTime(nextUpdate),
    // An empty list must be left out (RFC 5280 5.1.2.6).
    ...(revoked.length > 0 ? [sequence(...revoked.map(entry))] : []),
    context(0, true, extensions),
  );
  return sequence(tbs, identifier, bitString(signer.sign(tbs)));
}

function entry({ serial, revokedAt, reason }: RevokedCertificate): Buffer {
  const code = tlv(TAG.enumerated, Buffer.of(REVOCATION_REASONS[reason]));
  const extensions = sequence(extension(OID.reasonCode, code));
  return sequence(unsignedInteger(Buffer.from(serial, 'hex')), encodeTime(revokedAt), extensions);
}

/** None of ours is critical. */
function extension(oid: Buffer, value: Buffer): Buffer {
  return sequence(oid, octetString(value));
}

function octetsOf(value: number): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64BE(BigInt(value));
  return octets;
}
