// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { buildLeaf } from '../issue/certificate.ts';
import { isCa, readCertificate, serialHex, subjectAltNames } from '../issue/certificate-reader.ts';
import { acceptedBy, type AcceptedFields, type Profile } from '../issue/profile.ts';
import { randomSerial } from '../issue/serial.ts';
import type { IssuingAuthority } from './authority.ts';
import type { CertificateRequest, IssuedCertificate } from './port.ts';

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
  const accepted = acceptedBy({ ...profile, issuer: entry.certificate.validity }, request, now);
  const serial = randomSerial();
  const der = buildLeaf(key, identity, { ...accepted, serial });
  checkBuilt(der, { ...accepted, serial });
  return { chain: [der, ...intermediates], serial: serialHex(serial), ...accepted.validity };
}

/** Reads back what was built. A difference is a defect of this program: the certificate must not leave it. */
function checkBuilt(der: Buffer, wanted: AcceptedFields & { readonly serial: Buffer }): void {
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
