// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { Credentials, KeyedCredentials } from '../deliver/port.ts';
import type { IssueForKeyRequest, ModuleKeyName } from '../notary/key-port.ts';
import type { CertificateRequest, IssuedCertificate, Notary } from '../notary/port.ts';
import { pemOf } from './pem.ts';

/**
 * Makes a P-256 key in this process's memory and has the notary certify it.
 * @throws KeysteadError with the notary's code, for example `ProfileViolation`, `Unavailable`, `PinRejected`.
 */
export async function obtainCredentials(
  notary: Pick<Notary, 'issue'>,
  request: Omit<CertificateRequest, 'publicKey'>,
): Promise<{ readonly credentials: KeyedCredentials; readonly certificate: IssuedCertificate }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = await notary.issue({ ...request, publicKey: publicKey.export({ type: 'spki', format: 'der' }) });
  const credentials = {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    chain: certificate.chain.map(pemOf).join(''),
  };
  return { credentials, certificate };
}

/**
 * Has the notary certify the module's key in the token, which it makes where there is none.
 * @throws KeysteadError with the notary's code, for example `TokenFull`, `MechanismMissing`, `ProfileViolation`.
 */
export async function obtainForHeldKey(
  notary: Pick<Notary, 'issueForKey'>,
  request: IssueForKeyRequest,
): Promise<{ readonly credentials: Credentials; readonly certificate: IssuedCertificate }> {
  const { keyUri, publicKey: _inLeaf, ...certificate } = await notary.issueForKey(request);
  const heldKey = { name: request.key, uri: keyUri };
  return { credentials: { chain: certificate.chain.map(pemOf).join(''), heldKey }, certificate };
}

/** What a delivered leaf must be to be kept rather than issued anew. */
export interface Wanted {
  readonly spiffeId: string;
  readonly dnsNames: readonly string[];
  readonly lifetimeSeconds: number;
  /** PEM of the current issuing certificate. */
  readonly issuer: string;
  /** The key in the token that it must be for; undefined for a key in memory. */
  readonly key?: ModuleKeyName;
  /** UID of the EdgeDevice that vouches for the node. */
  readonly deviceUid?: string;
}

/**
 * Reads what a volume holds, to decide after a restart whether it may stay. Undefined where it is not what is
 * wanted now: other names, other lifetime, another issuer.
 */
export function fitting(
  chain: string,
  wanted: Wanted,
): Pick<IssuedCertificate, 'serial' | 'notBefore' | 'notAfter'> | undefined {
  const leaf = new X509Certificate(chain);
  const issuer = new X509Certificate(wanted.issuer);
  const names = new Set((leaf.subjectAltName ?? '').split(', '));
  const expected = [`URI:${wanted.spiffeId}`, ...wanted.dnsNames.map((name) => `DNS:${name}`)];
  const sameNames = names.size === expected.length && expected.every((name) => names.has(name));
  if (!sameNames || !leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey)) return undefined;
  const notBefore = leaf.validFromDate.getTime();
  const notAfter = leaf.validToDate.getTime();
  // notBefore lies some minutes before the time of issue; a lifetime that differs by more was asked for otherwise.
  const lifetime = (notAfter - notBefore) / 1000;
  if (lifetime < wanted.lifetimeSeconds || lifetime > wanted.lifetimeSeconds + SKEW_LIMIT_SECONDS) return undefined;
  return { serial: serialIn(leaf), notBefore, notAfter };
}

/** Serial of the leaf in a PEM chain, as `IssuedCertificate.serial`. */
export function serialOf(chain: string): string {
  return serialIn(new X509Certificate(chain));
}

const serialIn = ({ serialNumber }: X509Certificate): string => serialNumber.toLowerCase().padStart(32, '0');

/** More than any notBefore is backdated by, less than the shortest step between two lifetimes that users choose. */
const SKEW_LIMIT_SECONDS = 15 * 60;
