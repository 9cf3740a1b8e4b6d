// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, X509Certificate } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { caLimits, findExtension, readCertificate, type Certificate } from '../issue/certificate-reader.ts';
import { OID } from '../issue/object-identifiers.ts';
import { checkPublicKey } from '../issue/public-key-check.ts';
import type { KeyAlgorithm } from './root-of-trust/port.ts';

/** The chain of a CA whose key was made beforehand. */
export interface PreloadedChain {
  /** Issuing certificate first, the self-signed root last; one where the CA is the root. */
  readonly certificates: readonly PreloadedCertificate[];
  readonly algorithm: KeyAlgorithm;
}

export interface PreloadedCertificate {
  /** DER. */
  readonly der: Buffer;
  readonly certificate: Certificate;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const MAX_CERTIFICATES = 8;

/**
 * Reads a chain and checks that peers will take what is issued below it: each certificate a CA that may sign certificates
 * and lists, signed by the next, valid now, its path length kept, the last self-signed; the first of this trust domain.
 * Throws InvalidConfiguration that says what to do. Pure.
 */
export function readPreloadedChain(pem: string, trustDomain: string, now: number): PreloadedChain {
  const texts = pem.match(PEM_CERTIFICATE) ?? [];
  if (texts.length === 0 || texts.length > MAX_CERTIFICATES) {
    throw invalid(`expected 1 to ${MAX_CERTIFICATES} certificates in PEM, found ${texts.length}`);
  }
  const parsed = texts.map(parse);
  parsed.forEach(({ x509, certificate }, index) => {
    const which = `certificate ${index + 1} (${x509.subject.replaceAll('\n', ', ')})`;
    checkCa(certificate, x509, { which, below: index });
    checkSigned(x509, parsed[index + 1]?.x509, which);
    if (now < certificate.validity.notBefore || now > certificate.validity.notAfter) {
      const [from, until] = [x509.validFromDate, x509.validToDate].map((date) => date.toISOString());
      throw invalid(`${which} is valid from ${from} until ${until}, which is not now; renew it`);
    }
  });
  const [first] = parsed;
  if (!first) throw invalid('expected a certificate');
  checkTrustDomain(first.x509, trustDomain);
  return { certificates: parsed.map(({ der, certificate }) => ({ der, certificate })), algorithm: algorithmOf(first) };
}

interface Parsed extends PreloadedCertificate {
  readonly x509: X509Certificate;
}

function parse(text: string, index: number): Parsed {
  try {
    const x509 = new X509Certificate(text);
    const certificate = readCertificate(x509.raw);
    checkPublicKey(certificate.publicKey);
    return { der: x509.raw, certificate, x509 };
  } catch (thrown) {
    throw invalid(`certificate ${index + 1}: ${asKeysteadError(thrown).message}`);
  }
}

function checkCa(
  certificate: Certificate,
  x509: X509Certificate,
  { which, below }: { readonly which: string; readonly below: number },
): void {
  const { ca, pathLength, certSign, crlSign } = caLimits(certificate);
  if (!x509.ca || !ca) throw invalid(`${which} is no CA's (basicConstraints CA:TRUE); name the CA's own`);
  if (!certSign || !crlSign) {
    throw invalid(
      `${which} may not sign certificates and revocation lists; its keyUsage needs keyCertSign and cRLSign`,
    );
  }
  if (pathLength !== undefined && pathLength < below) {
    throw invalid(`${which} allows ${pathLength} CAs below it (pathLenConstraint), found ${below}`);
  }
  if (below === 0 && !findExtension(certificate, OID.subjectKeyIdentifier)) {
    throw invalid(`${which} has no subjectKeyIdentifier, which RFC 5280 asks of a CA`);
  }
}

function checkSigned(x509: X509Certificate, above: X509Certificate | undefined, which: string): void {
  const signer = above ?? x509;
  if (x509.checkIssued(signer) && x509.verify(signer.publicKey)) return;
  throw above
    ? invalid(`${which} is not signed by the one after it; put them in order, the issuing one first`)
    : invalid(`${which} is the last and not self-signed; add the certificates above it, the root included`);
}

function checkTrustDomain({ subjectAltName = '' }: X509Certificate, trustDomain: string): void {
  const uris = subjectAltName.split(', ').filter((name) => name.startsWith('URI:spiffe://'));
  const foreign = uris.find((uri) => uri !== `URI:spiffe://${trustDomain}`);
  if (foreign !== undefined)
    throw invalid(`the issuing certificate is of ${foreign.slice(4)}, not of spiffe://${trustDomain}`);
}

function algorithmOf({ certificate }: Parsed): KeyAlgorithm {
  const key = createPublicKey({ key: certificate.publicKey, format: 'der', type: 'spki' });
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === 'prime256v1') return 'EC-P256';
  if (namedCurve === 'secp384r1') return 'EC-P384';
  const bits = ([2048, 3072, 4096] as const).find((length) => length === modulusLength);
  if (bits !== undefined) return `RSA-${bits}`;
  throw invalid(`the issuing key is RSA of ${modulusLength ?? 0} bits; expected 2048, 3072 or 4096`);
}

function invalid(found: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `issuer.preloaded: ${found}`);
}
