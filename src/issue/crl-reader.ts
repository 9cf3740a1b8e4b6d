// SPDX-License-Identifier: Apache-2.0
import { verify, type KeyObject } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { serialHex } from './certificate-reader.ts';
import { REVOCATION_REASONS, type RevocationReason } from './crl.ts';
import { TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { OID } from './object-identifiers.ts';
import { SIGNATURE_ALGORITHMS } from './signature-algorithm.ts';
import { decodeTime } from './validity.ts';

/** A revocation list taken apart; Buffers are views into the bytes read. */
export interface Crl {
  /** What is signed, with its tag and length. */
  readonly tbs: Buffer;
  readonly signatureAlgorithm: Buffer;
  readonly signature: Buffer;
  /** Key identifier of the CA, hex. */
  readonly authority: string;
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Hex, 32 digits. */
  readonly serials: readonly string[];
  readonly entries: readonly CrlEntry[];
}

/** A certificate on a list. */
export interface CrlEntry {
  readonly serial: string;
  /** Milliseconds since the Unix epoch. */
  readonly revokedAt: number;
  /** Undefined where the list does not say. */
  readonly reason?: RevocationReason;
}

/** Reads a list as `buildCrl` writes it (RFC 5280 5.1). Throws InvalidRequest for anything else. */
export function readCrl(der: Buffer): Crl {
  const outer = new DerReader(der);
  const list = outer.enter(TAG.sequence, 'CRL');
  outer.end('CRL');
  const tbs = list.whole(TAG.sequence, 'TBSCertList');
  const signatureAlgorithm = list.whole(TAG.sequence, 'signatureAlgorithm');
  const signature = list.read(TAG.bitString, 'signature').subarray(1);
  list.end('CRL');
  const fields = new DerReader(tbs).enter(TAG.sequence, 'TBSCertList');
  fields.read(TAG.integer, 'version');
  fields.whole(TAG.sequence, 'signature');
  fields.whole(TAG.sequence, 'issuer');
  const [thisUpdate, nextUpdate] = [decodeTime(fields), decodeTime(fields)];
  const entries = fields.peek() === TAG.sequence ? readEntries(fields.enter(TAG.sequence, 'revokedCertificates')) : [];
  const serials = entries.map(({ serial }) => serial);
  const extensions = readExtensions(fields.enter(0xa0, 'crlExtensions').enter(TAG.sequence, 'crlExtensions'));
  fields.end('TBSCertList');
  return { tbs, signatureAlgorithm, signature, thisUpdate, nextUpdate, serials, entries, ...extensions };
}

/** Whether a list was signed with the key. */
export function isSignedBy({ tbs, signatureAlgorithm, signature }: Crl, publicKey: KeyObject): boolean {
  const algorithm = Object.values(SIGNATURE_ALGORITHMS).find(({ identifier }) => identifier.equals(signatureAlgorithm));
  return algorithm !== undefined && verify(algorithm.digest, tbs, publicKey, signature);
}

const PEM_CRL = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g;

/** The lists in a PEM text, DER. */
export function crlsIn(pem: string): Buffer[] {
  return [...pem.matchAll(PEM_CRL)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
}

function readEntries(list: DerReader): CrlEntry[] {
  const entries: CrlEntry[] = [];
  while (!list.done) {
    const entry = list.enter(TAG.sequence, 'revoked certificate');
    const octets = entry.read(TAG.integer, 'serial');
    const serial = serialHex(octets[0] === 0 ? octets.subarray(1) : octets);
    const revokedAt = decodeTime(entry);
    const reason = entry.done ? undefined : readReason(entry.enter(TAG.sequence, 'crlEntryExtensions'));
    entries.push({ serial, revokedAt, ...(reason && { reason }) });
  }
  return entries;
}

function readReason(list: DerReader): RevocationReason | undefined {
  let found: RevocationReason | undefined;
  while (!list.done) {
    const extension = list.enter(TAG.sequence, 'extension');
    const oid = extension.whole(TAG.objectIdentifier, 'extnID');
    if (!oid.equals(OID.reasonCode)) continue;
    const code = new DerReader(extension.read(TAG.octetString, 'extnValue')).read(TAG.enumerated, 'reasonCode');
    found = REASONS.find((reason) => REVOCATION_REASONS[reason] === code[0]);
  }
  return found;
}

const REASONS = Object.keys(REVOCATION_REASONS) as readonly RevocationReason[];

function readExtensions(list: DerReader): Pick<Crl, 'authority' | 'number'> {
  let authority: string | undefined;
  let number: number | undefined;
  while (!list.done) {
    const extension = list.enter(TAG.sequence, 'extension');
    const oid = extension.whole(TAG.objectIdentifier, 'extnID');
    const value = new DerReader(extension.read(TAG.octetString, 'extnValue'));
    if (oid.equals(OID.authorityKeyIdentifier)) {
      authority = value.enter(TAG.sequence, 'authorityKeyIdentifier').read(0x80, 'keyIdentifier').toString('hex');
    }
    if (oid.equals(OID.crlNumber)) number = Number.parseInt(value.read(TAG.integer, 'cRLNumber').toString('hex'), 16);
  }
  if (authority !== undefined && Number.isSafeInteger(number)) return { authority, number: number ?? 0 };
  throw new KeysteadError('InvalidRequest', 'CRL: expected authorityKeyIdentifier and cRLNumber, found one or none');
}
