// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { buildCrl, type CrlFields } from '../issue/crl.ts';
import { SIGNATURE_ALGORITHMS } from '../issue/signature-algorithm.ts';
import { LEAF_BACKDATE_MS } from '../issue/validity.ts';
import type { Issuer } from './authority.ts';
import { issuerTag } from './issued-entry.ts';
import { mostFeared } from './revocation-limit.ts';
import type { RevocationRecord, SignedCrl } from './revocation-record.ts';

/** How long a list is good: a node may be off for a weekend, and verifiers that insist on a list must not fail it then. */
export const CRL_LIFETIME_MS = 7 * 86_400_000;
/** A new list is signed this long after the last where nothing was revoked meanwhile. */
export const CRL_REFRESH_MS = 86_400_000;
/** Entries of one list; one has about 50 octets, and every peer carries the lists of all nodes. */
export const MAX_CRL_ENTRIES = 2_048;

/** The CA's next list where one is due: the first, one with more on it, or one that replaces an old one. */
export function nextCrl(issuer: Issuer, record: RevocationRecord, now: number): SignedCrl | undefined {
  const tag = issuerTag(issuer.identity.keyIdentifier);
  const last = record.crls.find((crl) => crl.issuer === tag);
  const own = record.revoked.filter((entry) => entry.issuer === tag);
  const covers = Math.max(last?.covers ?? 0, ...own.map(({ order }) => order));
  const age = last ? now - last.signedAt : Infinity;
  // After the clock was set back: verifiers refuse a list from the future.
  if (last && last.covers >= covers && age < CRL_REFRESH_MS && age > -LEAF_BACKDATE_MS) return undefined;
  const revoked = mostFeared(own, MAX_CRL_ENTRIES);
  const second = Math.floor(now / 1000) * 1000;
  const fields = {
    // The first number is the time, so that numbers grow even after the loss of the state folder.
    number: (last?.number ?? Math.floor(now / 1000)) + 1,
    thisUpdate: second - LEAF_BACKDATE_MS,
    nextUpdate: second + CRL_LIFETIME_MS,
    revoked,
  };
  const { number, thisUpdate, nextUpdate } = fields;
  const der = signedList(issuer, fields);
  return { issuer: tag, number, count: revoked.length, thisUpdate, nextUpdate, der, signedAt: now, covers };
}

/** Throws TokenFailed where the token's signature is not the key's. */
function signedList({ key, identity }: Issuer, fields: CrlFields): Buffer {
  const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
  const checked = {
    algorithm: key.algorithm,
    publicKey: key.publicKey,
    sign: (message: Buffer): Buffer => {
      const signature = key.sign(message);
      if (verify(SIGNATURE_ALGORITHMS[key.algorithm].digest, message, publicKey, signature)) return signature;
      throw new KeysteadError('TokenFailed', "expected the CA key's signature on its revocation list, found another");
    },
  };
  return buildCrl(checked, identity, fields);
}
