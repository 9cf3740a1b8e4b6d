// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { thumbprint } from '../issue/jwk.ts';
import type { VerificationKey } from '../issue/jwt-verification.ts';

export interface TokenKeys {
  /** Each `kid` once, in their order, so that the order of sources makes no difference. */
  readonly keys: readonly VerificationKey[];
  /** One sentence for each thing that is wrong with a source. */
  readonly problems: readonly string[];
}

/** Public members of a JWK by its kind (RFC 7518, section 6); nothing else is taken over, so no private key can be. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = { EC: ['crv', 'x', 'y'], RSA: ['n', 'e'] };

/** The keys for JWT-SVIDs in a JWK Set; a SPIFFE bundle's keys for X.509-SVIDs are passed over. */
export function readTokenKeys(name: string, keys: readonly unknown[]): TokenKeys {
  const found = new Map<string, VerificationKey>();
  const problems: string[] = [];
  for (const [index, entry] of keys.entries()) {
    const jwk = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : {};
    if (jwk['use'] === 'x509-svid') continue;
    const key = tokenKey(jwk);
    if (typeof key === 'string') problems.push(`${name}, key ${index + 1} ${key}`);
    else found.set(key.kid, key);
  }
  return { keys: byKeyId(found.values()), problems };
}

/** The keys of several places, each once. */
export function joinedKeys(...lists: readonly (readonly VerificationKey[])[]): readonly VerificationKey[] {
  return byKeyId(new Map(lists.flat().map((key) => [key.kid, key])).values());
}

/** The keys that a JWK Set in JSON holds; none where it cannot be read. */
export function keysIn(jwks: string | undefined): readonly VerificationKey[] {
  if (jwks === undefined || jwks === '') return [];
  try {
    const { keys } = JSON.parse(jwks) as { keys?: unknown };
    return Array.isArray(keys) ? readTokenKeys('jwks', keys).keys : [];
  } catch {
    return [];
  }
}

/** JWK Set (RFC 7517, section 5) of keys for JWT-SVIDs. */
export function jwksText(keys: readonly VerificationKey[]): string {
  return JSON.stringify({ keys });
}

/** The keys that a device reports, each under its own name: under another device's it would stand in that one's place. */
export function deviceTokenKeys({ status }: EdgeDevice): readonly VerificationKey[] {
  return (status?.tokenKeys ?? [])
    .map(({ keyID, x, y }) => ({ kid: keyID, jwk: { kty: 'EC', crv: 'P-256', x, y } as const }))
    .filter(({ kid, jwk }) => kid === thumbprint(jwk))
    .map(({ kid, jwk }) => ({ use: 'jwt-svid', ...jwk, kid }));
}

function tokenKey(jwk: Record<string, unknown>): VerificationKey | string {
  const { kid, kty } = jwk;
  const members = typeof kty === 'string' && Object.hasOwn(MEMBERS, kty) ? MEMBERS[kty] : undefined;
  if (!members) return `is of kind ${JSON.stringify(kty)}: expected EC or RSA, take it out.`;
  if (typeof kid !== 'string' || kid === '') return 'has no kid: tokens name their key by it, so give it one.';
  const values = members.map((member) => [member, jwk[member]]);
  const key = { use: 'jwt-svid', kty, kid, ...Object.fromEntries(values) } as VerificationKey;
  try {
    createPublicKey({ key, format: 'jwk' });
    return key;
  } catch {
    return `(${kid}) cannot be read as a public key: paste it again from its origin.`;
  }
}

function byKeyId(keys: Iterable<VerificationKey>): readonly VerificationKey[] {
  return [...keys].sort((left, right) => (left.kid < right.kid ? -1 : 1));
}
