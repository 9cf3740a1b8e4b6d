// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { sanNames } from './certificate-reader.ts';
import { TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { OID } from './object-identifiers.ts';
import { checkPublicKey } from './public-key-check.ts';

/** What a PKCS#10 request says, once its signature has proven that the asker holds the private key. */
export interface CertificationRequest {
  /** SubjectPublicKeyInfo, DER; of a kind and strength that a module may have. */
  readonly publicKey: Buffer;
  /** Names of the subjectAltName asked for; empty where none is. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

/** Requests of real modules take less than 2 KB. */
export const MAX_REQUEST_BYTES = 8 * 1024;
const ATTRIBUTES = 0xa0;

/** What requests may be signed with. SHA-1 and MD5 are not among it. */
const SIGNATURES: readonly { readonly oid: Buffer; readonly digest: string; readonly key: 'ec' | 'rsa' }[] = [
  { oid: OID.ecdsaWithSha256, digest: 'sha256', key: 'ec' },
  { oid: OID.ecdsaWithSha384, digest: 'sha384', key: 'ec' },
  { oid: OID.ecdsaWithSha512, digest: 'sha512', key: 'ec' },
  { oid: OID.sha256WithRsaEncryption, digest: 'sha256', key: 'rsa' },
  { oid: OID.sha384WithRsaEncryption, digest: 'sha384', key: 'rsa' },
  { oid: OID.sha512WithRsaEncryption, digest: 'sha512', key: 'rsa' },
];

/**
 * Reads a CertificationRequest (RFC 2986, DER), strictly, and verifies its signature. The subject is passed over: an
 * identity stands in the subjectAltName alone. Throws InvalidRequest where it is malformed, or its signature is not that
 * of the key in it; ProfileViolation where the key is weak or of another kind.
 */
export function readCertificationRequest(der: Buffer): CertificationRequest {
  if (der.length > MAX_REQUEST_BYTES) throw malformed(`at most ${MAX_REQUEST_BYTES} bytes`, `${der.length}`);
  const outer = new DerReader(der);
  const request = outer.enter(TAG.sequence, 'certification request');
  outer.end('certification request');
  const info = request.whole(TAG.sequence, 'certificationRequestInfo');
  const algorithm = request.enter(TAG.sequence, 'signatureAlgorithm');
  const bits = request.read(TAG.bitString, 'signature');
  request.end('certification request');
  if (bits[0] !== 0) throw malformed('a signature of whole octets', `${bits[0] ?? 'none'} unused bits`);
  const { publicKey, ...names } = readInfo(new DerReader(info).enter(TAG.sequence, 'certificationRequestInfo'));
  checkPublicKey(publicKey);
  verifySignature({
    info,
    publicKey,
    signature: bits.subarray(1),
    oid: algorithm.whole(TAG.objectIdentifier, 'algorithm'),
  });
  return { publicKey, ...names };
}

function readInfo(info: DerReader): CertificationRequest {
  const version = info.read(TAG.integer, 'version');
  if (version.length !== 1 || version[0] !== 0) throw malformed('version 1 (0)', version.toString('hex'));
  info.read(TAG.sequence, 'subject');
  const publicKey = info.whole(TAG.sequence, 'subjectPKInfo');
  // RFC 2986 demands the attributes; OpenSSL's -noattr and others leave them out where there are none.
  const names = info.done ? NO_NAMES : readAttributes(info.enter(ATTRIBUTES, 'attributes'));
  info.end('certificationRequestInfo');
  return { publicKey, ...names };
}

type Names = Omit<CertificationRequest, 'publicKey'>;
const NO_NAMES: Names = { uris: [], dnsNames: [] };

/** Of the attributes (RFC 2985) only extensionRequest counts, and of its extensions only the subjectAltName. */
function readAttributes(attributes: DerReader): Names {
  let names: Names | undefined;
  while (!attributes.done) {
    const attribute = attributes.enter(TAG.sequence, 'attribute');
    const type = attribute.whole(TAG.objectIdentifier, 'attribute type');
    const values = attribute.enter(TAG.set, 'attribute values');
    attribute.end('attribute');
    if (!type.equals(OID.extensionRequest)) continue;
    if (names) throw malformed('one extensionRequest', 'two');
    names = readExtensions(values.enter(TAG.sequence, 'extensionRequest'));
    values.end('extensionRequest');
  }
  return names ?? NO_NAMES;
}

function readExtensions(extensions: DerReader): Names {
  let names: Names | undefined;
  while (!extensions.done) {
    const extension = extensions.enter(TAG.sequence, 'extension');
    const oid = extension.whole(TAG.objectIdentifier, 'extnID');
    if (extension.peek() === TAG.boolean) extension.read(TAG.boolean, 'critical');
    const value = extension.read(TAG.octetString, 'extnValue');
    extension.end('extension');
    if (!oid.equals(OID.subjectAltName)) continue;
    if (names) throw malformed('one subjectAltName', 'two');
    names = sanNames(value);
  }
  return names ?? NO_NAMES;
}

function verifySignature(parts: { info: Buffer; publicKey: Buffer; signature: Buffer; oid: Buffer }): void {
  const { info, publicKey, signature, oid } = parts;
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const scheme = SIGNATURES.find((each) => each.oid.equals(oid));
  if (!scheme || scheme.key !== key.asymmetricKeyType) {
    throw malformed(
      `a signature of type ${key.asymmetricKeyType} over SHA-256, SHA-384 or SHA-512`,
      `algorithm ${oid.toString('hex')}`,
    );
  }
  if (!isValid(scheme.digest, info, key, signature)) {
    throw malformed('a signature by the key in the request', 'one that does not verify');
  }
}

function isValid(digest: string, info: Buffer, key: ReturnType<typeof createPublicKey>, signature: Buffer): boolean {
  try {
    return verify(digest, info, key, signature);
  } catch (thrown) {
    throw malformed('a signature', asKeysteadError(thrown).message);
  }
}

function malformed(expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `certification request: expected ${expected}, found ${found}`);
}
