// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { DNS_NAME, URI_NAME } from './extensions.ts';
import { OID } from './object-identifiers.ts';
import { decodeValidity, type Validity } from './validity.ts';

/** Bits of KeyUsage in its first octet (RFC 5280 4.2.1.3): keyCertSign is bit 5, cRLSign bit 6. */
const [KEY_CERT_SIGN, CRL_SIGN] = [0x04, 0x02];

export interface Extension {
  /** Object identifier, DER. */
  readonly oid: Buffer;
  readonly critical: boolean;
  readonly value: Buffer;
}

/** A certificate taken apart; every Buffer is a view into the bytes read. */
export interface Certificate {
  /** What is signed, with its tag and length. */
  readonly tbs: Buffer;
  /** Magnitude, 16 octets where it came from this notary. */
  readonly serial: Buffer;
  readonly issuer: Buffer;
  readonly validity: Validity;
  readonly subject: Buffer;
  readonly publicKey: Buffer;
  /** In their order. */
  readonly extensions: readonly Extension[];
  readonly signatureAlgorithm: Buffer;
  readonly signature: Buffer;
}

/**
 * Reads a version 3 certificate as the notary writes them (RFC 5280 4.1): no unique identifiers, each extension once,
 * nothing left over. For reading back what was built, not for foreign certificates. Throws InvalidRequest.
 */
export function readCertificate(der: Buffer): Certificate {
  const outer = new DerReader(der);
  const certificate = outer.enter(TAG.sequence, 'certificate');
  outer.end('certificate');
  const tbs = certificate.whole(TAG.sequence, 'TBSCertificate');
  const signatureAlgorithm = certificate.whole(TAG.sequence, 'signatureAlgorithm');
  const signature = certificate.read(TAG.bitString, 'signature').subarray(1);
  certificate.end('certificate');
  const fields = new DerReader(tbs).enter(TAG.sequence, 'TBSCertificate');
  return { tbs, signatureAlgorithm, signature, ...readTbs(fields, signatureAlgorithm) };
}

function readTbs(tbs: DerReader, algorithm: Buffer): Omit<Certificate, 'tbs' | 'signatureAlgorithm' | 'signature'> {
  const version = tbs.enter(0xa0, 'version').read(TAG.integer, 'version');
  const serial = magnitude(tbs.read(TAG.integer, 'serialNumber'));
  const inner = tbs.whole(TAG.sequence, 'signature');
  if (version.length !== 1 || version[0] !== 2)
    throw malformed('version 3', `version field ${version.toString('hex')}`);
  if (!inner.equals(algorithm)) throw malformed('one signature algorithm', 'two that differ');
  const issuer = tbs.whole(TAG.sequence, 'issuer');
  const validity = decodeValidity(tbs.enter(TAG.sequence, 'validity'));
  const subject = tbs.whole(TAG.sequence, 'subject');
  const publicKey = tbs.whole(TAG.sequence, 'subjectPublicKeyInfo');
  const extensions = readExtensions(tbs.enter(0xa3, 'extensions').enter(TAG.sequence, 'extensions'));
  tbs.end('TBSCertificate');
  return { serial, issuer, validity, subject, publicKey, extensions };
}

function readExtensions(list: DerReader): Extension[] {
  const extensions: Extension[] = [];
  while (!list.done) {
    const entry = list.enter(TAG.sequence, 'extension');
    const oid = entry.whole(TAG.objectIdentifier, 'extnID');
    const critical = entry.peek() === TAG.boolean && entry.boolean('critical');
    const value = entry.read(TAG.octetString, 'extnValue');
    entry.end('extension');
    if (extensions.some((other) => other.oid.equals(oid))) throw malformed('each extension once', oid.toString('hex'));
    extensions.push({ oid, critical, value });
  }
  return extensions;
}

/** URIs and DNS names of the subjectAltName; other names are refused. */
export function subjectAltNames(certificate: Certificate): { uris: string[]; dnsNames: string[] } {
  const extension = findExtension(certificate, OID.subjectAltName);
  return extension ? sanNames(extension.value) : { uris: [], dnsNames: [] };
}

/** The same from the extension's value, GeneralNames in DER. */
export function sanNames(value: Buffer): { uris: string[]; dnsNames: string[] } {
  const names = { uris: [] as string[], dnsNames: [] as string[] };
  const outer = new DerReader(value);
  const list = outer.enter(TAG.sequence, 'subjectAltName');
  outer.end('subjectAltName');
  while (!list.done) {
    const uri = list.peek() === (0x80 | URI_NAME);
    const name = list.read(uri ? 0x80 | URI_NAME : 0x80 | DNS_NAME, 'GeneralName').toString('latin1');
    (uri ? names.uris : names.dnsNames).push(name);
  }
  return names;
}

export function findExtension(certificate: Certificate, oid: Buffer): Extension | undefined {
  return certificate.extensions.find((extension) => extension.oid.equals(oid));
}

/** The subjectKeyIdentifier's octets; undefined where there is none. */
export function subjectKeyIdentifierOf(certificate: Certificate): Buffer | undefined {
  const extension = findExtension(certificate, OID.subjectKeyIdentifier);
  return extension && new DerReader(extension.value).read(TAG.octetString, 'subjectKeyIdentifier');
}

/** Whether basicConstraints say that the certificate is a CA's. */
export function isCa(certificate: Certificate): boolean {
  const extension = findExtension(certificate, OID.basicConstraints);
  if (!extension) return false;
  const constraints = new DerReader(extension.value).enter(TAG.sequence, 'basicConstraints');
  return constraints.peek() === TAG.boolean && constraints.boolean('cA');
}

/** What basicConstraints and keyUsage let a CA do; without keyUsage it may sign anything (RFC 5280 4.2.1.3). */
export interface CaLimits {
  readonly ca: boolean;
  /** How many CAs may stand between it and a leaf; undefined for any number. */
  readonly pathLength: number | undefined;
  readonly certSign: boolean;
  readonly crlSign: boolean;
}

export function caLimits(certificate: Certificate): CaLimits {
  const basic = findExtension(certificate, OID.basicConstraints);
  const constraints = basic && new DerReader(basic.value).enter(TAG.sequence, 'basicConstraints');
  const ca = constraints?.peek() === TAG.boolean && constraints.boolean('cA');
  const length = constraints?.peek() === TAG.integer ? constraints.read(TAG.integer, 'pathLenConstraint') : undefined;
  const usage = findExtension(certificate, OID.keyUsage);
  // The first octet of a BIT STRING says how many bits at its end are unused.
  const bits = usage ? (new DerReader(usage.value).read(TAG.bitString, 'keyUsage')[1] ?? 0) : 0xff;
  return {
    ca,
    pathLength: length && Number(BigInt(`0x0${length.toString('hex')}`)),
    certSign: (bits & KEY_CERT_SIGN) !== 0,
    crlSign: (bits & CRL_SIGN) !== 0,
  };
}

/** Hex of a serial's magnitude as 32 digits, lower case. */
export function serialHex(serial: Buffer): string {
  return serial.toString('hex').padStart(32, '0');
}

function magnitude(integer: Buffer): Buffer {
  const first = integer[0];
  if (first === undefined || first & 0x80)
    throw malformed('a positive serial number', integer.toString('hex') || 'none');
  return first === 0 ? integer.subarray(1) : integer;
}

function malformed(expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `certificate: expected ${expected}, found ${found}`);
}
