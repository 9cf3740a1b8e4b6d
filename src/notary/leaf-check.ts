// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify, X509Certificate, type KeyObject } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { readCertificate, serialHex, subjectAltNames, type Certificate } from '../issue/certificate-reader.ts';
import { SIGNATURE_ALGORITHMS } from '../issue/signature-algorithm.ts';
import type { CertificateRequest, IssuedCertificate } from './port.ts';

/** A certificate that may have signed a leaf. */
export interface KnownIssuer {
  /** Name, DER. */
  readonly name: Buffer;
  readonly publicKey: KeyObject;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The issuers in a PEM text. */
export function issuersIn(pem: string): KnownIssuer[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => {
    const { subject, publicKey } = readCertificate(new X509Certificate(text).raw);
    return { name: subject, publicKey: createPublicKey({ key: publicKey, format: 'der', type: 'spki' }) };
  });
}

/**
 * Whether the leaf is signed by one of the issuers. Throws Internal where it is not what was asked for: the agent must
 * never deliver an identity to a module that is not that module's.
 */
export function isAskedForAndSigned(
  request: CertificateRequest,
  issued: IssuedCertificate,
  issuers: readonly KnownIssuer[],
): boolean {
  const [der] = issued.chain;
  if (!der) throw defect('a certificate', 'an empty chain');
  const leaf = readCertificate(der);
  checkContents(request, issued, leaf);
  return issuers.some((issuer) => issuer.name.equals(leaf.issuer) && isSignedBy(leaf, issuer.publicKey));
}

function checkContents(request: CertificateRequest, issued: IssuedCertificate, leaf: Certificate): void {
  const { uris, dnsNames } = subjectAltNames(leaf);
  if (!leaf.publicKey.equals(request.publicKey)) throw defect('the public key asked for', 'another');
  if (uris.length !== 1 || uris[0] !== request.spiffeId) throw defect(request.spiffeId, uris.join(', ') || 'no URI');
  if (dnsNames.join() !== request.dnsNames.join()) throw defect('the DNS names asked for', dnsNames.join() || 'none');
  if (serialHex(leaf.serial) !== issued.serial) throw defect(`serial ${issued.serial}`, serialHex(leaf.serial));
  if (leaf.validity.notAfter !== issued.notAfter) throw defect('the end it was said to have', 'another');
}

function isSignedBy(leaf: Certificate, publicKey: KeyObject): boolean {
  const found = Object.values(SIGNATURE_ALGORITHMS).find(({ identifier }) =>
    identifier.equals(leaf.signatureAlgorithm),
  );
  if (!found) throw defect('a known signature algorithm', leaf.signatureAlgorithm.toString('hex'));
  return verify(found.digest, leaf.tbs, publicKey, leaf.signature);
}

function defect(expected: string, found: string): KeysteadError {
  return new KeysteadError('Internal', `the notary's certificate: expected ${expected}, found ${found}; it is dropped`);
}
