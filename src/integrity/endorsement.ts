// SPDX-License-Identifier: Apache-2.0
import { createHash, X509Certificate } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { checkCertificateKey } from '../tpm/endorsement-key.ts';
import { publicKeyInfo, type PublicArea } from '../tpm/public-area.ts';

/** tcg-kp-EKCertificate (TCG EK Credential Profile, 3.2.16). */
const EK_USAGE = '2.23.133.8.1';
/** Makers' chains have two or three certificates above the endorsement key's. */
const MAX_CHAIN = 8;

/** SHA-256 over the key's SubjectPublicKeyInfo, hexadecimal: what EdgeDevice.spec.measuredBoot.endorsementKey holds. */
export function endorsementKeyHash(key: PublicArea): string {
  return createHash('sha256').update(publicKeyInfo(key)).digest('hex');
}

export interface EndorsementQuestion {
  readonly key: PublicArea;
  /** DER. */
  readonly certificate: Buffer | undefined;
  /** PEM of the certificates that are trusted, roots or intermediates. */
  readonly roots: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * Checks that the maker's certificate of an endorsement key leads to a trusted one; gives that one's subject. Throws
 * AttestationDenied: EndorsementCertificateMissing, EndorsementCertificateMismatch, EndorsementCertificateUntrusted.
 */
export function checkEndorsement({ key, certificate, roots, now }: EndorsementQuestion): string {
  if (!certificate) {
    throw denied('EndorsementCertificateMissing', 'a certificate in the NV memory of the TPM', 'none');
  }
  try {
    checkCertificateKey(certificate, key);
  } catch (thrown) {
    const found = thrown instanceof KeysteadError ? thrown.message : 'another key';
    throw denied('EndorsementCertificateMismatch', 'a certificate for the endorsement key', found);
  }
  const trusted = certificatesIn(roots);
  const leaf = new X509Certificate(certificate);
  const usages = (leaf.keyUsage as string[] | undefined) ?? [];
  if (usages.length > 0 && !usages.includes(EK_USAGE)) {
    throw denied('EndorsementCertificateUntrusted', `the usage ${EK_USAGE} of endorsement keys`, usages.join(', '));
  }
  let current = leaf;
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    checkValidity(current, now);
    const above = trusted.find((candidate) => isIssuer(candidate, current));
    if (!above) throw untrusted(current, leaf);
    if (above.checkIssued(above) || depth > 0 || !trusted.some((candidate) => isIssuer(candidate, above))) {
      checkValidity(above, now);
      return above.subject.replaceAll('\n', ', ');
    }
    current = above;
  }
  throw untrusted(current, leaf);
}

/** The certificates of a PEM text. Throws InvalidConfiguration where one cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      const message = `endorsementRoots: certificate ${index + 1} cannot be read; take it from the TPM's maker again`;
      throw new KeysteadError('InvalidConfiguration', message, { cause });
    }
  });
}

function isIssuer(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issuer.ca && issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function checkValidity({ validFrom, validTo, subject }: X509Certificate, now: number): void {
  if (now >= Date.parse(validFrom) && now <= Date.parse(validTo)) return;
  const found = `${subject.replaceAll('\n', ', ') || 'one'} valid from ${validFrom} to ${validTo}`;
  throw denied('EndorsementCertificateUntrusted', 'certificates that are valid now', found);
}

function untrusted({ issuer }: X509Certificate, leaf: X509Certificate): KeysteadError {
  const found = `one of ${issuer.replaceAll('\n', ', ')} (serial ${leaf.serialNumber})`;
  return denied('EndorsementCertificateUntrusted', 'a certificate that leads to one of endorsementRoots', found);
}

function denied(reason: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('AttestationDenied', `${reason}: expected ${expected}, found ${found}`);
}
