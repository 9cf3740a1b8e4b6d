// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VerificationKey } from '../../../src/issue/jwt-verification.ts';

interface Recorded {
  readonly requests: readonly string[];
  readonly lists: readonly { readonly list: string; readonly publicKey: string }[];
  readonly tokens: readonly { readonly token: string; readonly key: VerificationKey }[];
}

const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'signed.json'), 'utf8')) as Recorded;

/** Certification requests (DER) as modules make them: with names and without. */
export const MODULE_REQUESTS = recorded.requests.map((request) => Buffer.from(request, 'base64'));
/** Revocation lists (DER) with the SubjectPublicKeyInfo of their CA: P-256 with an entry, RSA without. */
export const LISTS = recorded.lists.map(({ list, publicKey }) => ({
  list: Buffer.from(list, 'base64'),
  publicKey: Buffer.from(publicKey, 'base64'),
}));
/** JWT-SVIDs that were good at `TOKEN_TIME` for the audience `till`, with their keys: ES256, RS256. */
export const TOKENS = recorded.tokens;
export const TOKEN_TIME = Date.UTC(2026, 10, 22);
