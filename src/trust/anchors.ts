// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import type { VerificationKey } from '../issue/jwt-verification.ts';

/** Where anchors come from, and the PEM found there. */
export interface AnchorSource {
  /** For messages, for example `device edge-1` or `inline source 2`. */
  readonly name: string;
  readonly pem: string;
  /** Keys for JWT-SVIDs that come with them. */
  readonly keys?: readonly VerificationKey[];
  /** Revocation lists that come with them, PEM. */
  readonly crls?: string;
  /** Revoked JWT-SVIDs, by `jti`. */
  readonly revokedTokens?: readonly string[];
}

export interface Anchor {
  /** RFC 7468 text with a newline at its end. */
  readonly pem: string;
  /** SHA-256 of the DER, 64 hexadecimal digits. */
  readonly fingerprint: string;
  /** Milliseconds since the Unix epoch. */
  readonly notAfter: number;
}

export interface Anchors {
  /** Each certificate once, ordered by fingerprint, so that the order of sources makes no difference. */
  readonly anchors: readonly Anchor[];
  /** One sentence for each thing that is wrong with a source. */
  readonly problems: readonly string[];
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads the trust anchors out of all sources. Takes in only certificates of authorities that have not expired at
 * `now`; an expired one is dropped silently, since time alone did that, everything else that is wrong is a problem.
 */
export function readAnchors(sources: readonly AnchorSource[], now: number): Anchors {
  const anchors = new Map<string, Anchor>();
  const problems: string[] = [];
  for (const { name, pem } of sources) {
    for (const found of readSource(name, pem)) {
      if (typeof found === 'string') problems.push(found);
      else if (found.notAfter > now) anchors.set(found.fingerprint, found);
    }
  }
  const ordered = [...anchors.values()].sort((left, right) => (left.fingerprint < right.fingerprint ? -1 : 1));
  return { anchors: ordered, problems };
}

/** PEM of all anchors, one after the other. */
export function bundlePem(anchors: readonly Anchor[]): string {
  return anchors.map(({ pem }) => pem).join('');
}

function* readSource(name: string, pem: string): Generator<Anchor | string> {
  const blocks = [...pem.matchAll(PEM_BLOCK)];
  if (blocks.length === 0) yield `${name} holds no certificate: it must be PEM, -----BEGIN CERTIFICATE----- and so on.`;
  for (const [index, [block, label]] of blocks.entries()) {
    const where = blocks.length === 1 ? name : `${name}, certificate ${index + 1}`;
    if (label !== 'CERTIFICATE') {
      yield `${where} is a ${label ?? 'block'}, not a CERTIFICATE: take it out.`;
      continue;
    }
    yield readCertificate(where, block);
  }
}

function readCertificate(where: string, block: string): Anchor | string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(block);
  } catch {
    return `${where} cannot be read as a certificate: paste it again from its origin.`;
  }
  if (!certificate.ca) {
    // A leaf of SPIFFE has no subject; Node then gives undefined, whatever its types say.
    const subject = (certificate.subject as string | undefined)?.replaceAll('\n', ', ');
    return `${where} (${subject ?? 'without subject'}) is not a certificate authority: give the authority that issued it instead.`;
  }
  return {
    // Node writes it anew from the DER, so that the same certificate is always the same text.
    pem: certificate.toString(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notAfter: certificate.validToDate.getTime(),
  };
}
