// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { CertificateRequest } from '../notary/port.ts';
import { checkDnsName } from './dns-name.ts';
import { checkPublicKey } from './public-key-check.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import { LEAF_BACKDATE_MS, validityFrom, type Validity } from './validity.ts';

/** What may be issued. The notary holds it; a caller cannot widen it. */
export interface Profile {
  readonly trustDomain: string;
  readonly maxLeafSeconds: number;
  readonly issuer: Validity;
  /** Whether a public key (SubjectPublicKeyInfo, DER) is one of the notary's own. */
  isOwnKey(publicKey: Buffer): boolean;
  /** Throws ProfileViolation where the key is certified for another SPIFFE ID. */
  checkUnused?(publicKey: Buffer, spiffeId: string): void;
}

/** The fields of a request that the profile has accepted: all that goes into the certificate. */
export interface AcceptedFields {
  readonly spiffeId: string;
  readonly dnsNames: readonly string[];
  readonly publicKey: Buffer;
  readonly validity: Validity;
}

/** Names beyond this make certificates that handshakes carry at a cost; nobody needs them for one module. */
export const MAX_DNS_NAMES = 32;
const MODULE_PATHS = '/ns/';

type RequestedFields = Omit<CertificateRequest, 'requester'>;

/**
 * Decides whether a certificate may be issued at `now` (milliseconds since the Unix epoch). Pure. Throws
 * ProfileViolation with what was expected and found; Unavailable where the clock lies before the issuer's time.
 */
export function acceptedBy(profile: Profile, request: RequestedFields, now: number): AcceptedFields {
  checkIdentity(profile, request.spiffeId);
  checkDnsNames(request.dnsNames);
  checkPublicKey(request.publicKey);
  if (profile.isOwnKey(request.publicKey)) {
    throw violation('a public key of the module', "one of the notary's own keys");
  }
  const { spiffeId, dnsNames, publicKey } = request;
  profile.checkUnused?.(publicKey, spiffeId);
  return { spiffeId, dnsNames, publicKey, validity: acceptedValidity(profile, request.lifetimeSeconds, now) };
}

/** Throws ProfileViolation unless the SPIFFE ID is one that modules of this trust domain may have. */
export function checkIdentity(profile: Pick<Profile, 'trustDomain'>, spiffeId: string): void {
  const { trustDomain, path } = parseSpiffeId(spiffeId);
  if (trustDomain !== profile.trustDomain) {
    throw violation(`a SPIFFE ID in trust domain ${profile.trustDomain}`, `one in ${trustDomain}`);
  }
  if (!path.startsWith(MODULE_PATHS)) {
    throw violation(`a SPIFFE ID with a path under ${MODULE_PATHS}`, `path ${JSON.stringify(path.slice(0, 80))}`);
  }
}

function checkDnsNames(names: readonly string[]): void {
  if (names.length > MAX_DNS_NAMES) throw violation(`at most ${MAX_DNS_NAMES} DNS names`, `${names.length}`);
  for (const name of names) checkDnsName(name);
  if (new Set(names).size !== names.length) throw violation('each DNS name once', 'one twice');
}

function acceptedValidity(profile: Profile, lifetimeSeconds: number, now: number): Validity {
  if (!Number.isSafeInteger(lifetimeSeconds) || lifetimeSeconds <= 0) {
    throw violation('a lifetime of whole seconds above 0', `${lifetimeSeconds}`);
  }
  if (lifetimeSeconds > profile.maxLeafSeconds) {
    throw violation(`a lifetime of at most ${profile.maxLeafSeconds} s`, `${lifetimeSeconds} s`);
  }
  if (now < profile.issuer.notBefore) {
    const since = new Date(profile.issuer.notBefore).toISOString();
    const found = new Date(now).toISOString();
    throw new KeysteadError('Unavailable', `the issuer is valid from ${since}, the clock says ${found}; set the clock`);
  }
  const { notBefore, notAfter } = validityFrom(now, lifetimeSeconds, LEAF_BACKDATE_MS);
  if (notAfter > profile.issuer.notAfter) {
    const end = new Date(profile.issuer.notAfter).toISOString();
    throw violation(`an end not after the issuer's (${end})`, new Date(notAfter).toISOString());
  }
  return { notBefore: Math.max(notBefore, profile.issuer.notBefore), notAfter };
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `expected ${expected}, found ${found}`);
}
