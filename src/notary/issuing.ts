// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { certificateOf, leafTbs, type IssuerIdentity } from '../issue/certificate.ts';
import { isCa, readCertificate, serialHex, subjectAltNames } from '../issue/certificate-reader.ts';
import { acceptedBy, type AcceptedFields, type Profile } from '../issue/profile.ts';
import { randomSerial } from '../issue/serial.ts';
import type { Validity } from '../issue/validity.ts';
import type { IssuingAuthority } from './authority.ts';
import type { CertificateRequest, IssuedCertificate } from './port.ts';
import type { KeyAlgorithm } from './root-of-trust/port.ts';

/** What is needed of the CA to draft a leaf; all but its key. */
export interface LeafIssuer {
  readonly algorithm: KeyAlgorithm;
  readonly identity: IssuerIdentity;
  /** Of the CA's certificate. */
  readonly validity: Validity;
  readonly intermediates: readonly Buffer[];
}

/** A leaf without its signature. */
export interface LeafDraft extends AcceptedFields {
  readonly serial: Buffer;
  /** TBSCertificate, DER. Valid until the next certificate is built. */
  readonly tbs: Buffer;
}

/**
 * Issues a leaf within the profile: checks the request, builds the certificate from the accepted fields, has the token
 * sign it, and reads it back before it is handed out. Throws ProfileViolation, or what the token throws.
 */
export function issueLeaf(
  authority: Pick<IssuingAuthority, 'issuer'>,
  profile: Omit<Profile, 'issuer'>,
  request: CertificateRequest,
  now: number,
): IssuedCertificate {
  const { key, entry, identity, intermediates } = authority.issuer;
  const { algorithm } = key;
  const issuer = { algorithm, identity, validity: entry.certificate.validity, intermediates };
  const draft = draftLeaf(issuer, profile, request, now);
  return completeLeaf(issuer, draft, key.sign(draft.tbs));
}

/** The first half, which needs no token. Throws ProfileViolation. */
export function draftLeaf(
  issuer: LeafIssuer,
  profile: Omit<Profile, 'issuer'>,
  request: Omit<CertificateRequest, 'requester'>,
  now: number,
): LeafDraft {
  const accepted = acceptedBy({ ...profile, issuer: issuer.validity }, request, now);
  const serial = randomSerial();
  return { ...accepted, serial, tbs: leafTbs(issuer.algorithm, issuer.identity, { ...accepted, serial }) };
}

/** The second half: puts the signature to it and reads back what came of it. */
export function completeLeaf(
  { algorithm, intermediates }: Pick<LeafIssuer, 'algorithm' | 'intermediates'>,
  draft: LeafDraft,
  signature: Buffer,
): IssuedCertificate {
  const der = certificateOf(draft.tbs, algorithm, signature);
  checkBuilt(der, draft);
  return { chain: [der, ...intermediates], serial: serialHex(draft.serial), ...draft.validity };
}

/** Reads back what was built. A difference is a defect of this program: the certificate must not leave it. */
function checkBuilt(der: Buffer, wanted: LeafDraft): void {
  const built = readCertificate(der);
  const names = subjectAltNames(built);
  const sound =
    serialHex(built.serial) === serialHex(wanted.serial) &&
    built.validity.notBefore === wanted.validity.notBefore &&
    built.validity.notAfter === wanted.validity.notAfter &&
    built.publicKey.equals(wanted.publicKey) &&
    names.uris.length === 1 &&
    names.uris[0] === wanted.spiffeId &&
    names.dnsNames.join() === wanted.dnsNames.join() &&
    !isCa(built);
  if (!sound) throw new KeysteadError('Internal', 'the certificate built differs from the one accepted; it is dropped');
}
