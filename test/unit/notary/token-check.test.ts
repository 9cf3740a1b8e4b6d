// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { acceptedClaims, signingInput } from '../../../src/issue/jwt-svid.ts';
import type { VerificationKey } from '../../../src/issue/jwt-verification.ts';
import type { IssuedToken, TokenRequest } from '../../../src/notary/port.ts';
import { checkToken } from '../../../src/notary/token-check.ts';

const NOW = Date.parse('2026-11-01T00:00:00Z');
const REQUEST: TokenRequest = {
  spiffeId: 'spiffe://edge.example.org/ns/plant/module/press',
  audiences: ['historian'],
  lifetimeSeconds: 300,
  requester: {
    module: 'plant/press',
    identity: 'plant/press',
    pod: 'plant/press-0',
    podUid: 'pod-1',
    container: 'press',
    imageDigest: `sha256:${'0'.repeat(64)}`,
  },
};

const pair = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' });

function published(publicKey: KeyObject): VerificationKey {
  return { ...publicKey.export({ format: 'jwk' }), kid: 'key-1' };
}

function issued(privateKey: KeyObject, request: TokenRequest): IssuedToken {
  const claims = acceptedClaims({ trustDomain: 'edge.example.org', maxTokenSeconds: 3600 }, request, NOW, 'jti-1');
  const input = signingInput('key-1', claims);
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const token = `${input}.${signature.toString('base64url')}`;
  return { token, keyId: 'key-1', jti: 'jti-1', issuedAt: NOW, expiresAt: NOW + 300_000 };
}

describe('a token from the notary', () => {
  const { publicKey, privateKey } = pair();
  const keys = [published(publicKey)];

  it('is handed out where it is what was asked for, signed by a published key', () => {
    expect(() => checkToken(REQUEST, issued(privateKey, REQUEST), keys)).not.toThrow();
  });

  it('is dropped where the token of the root of trust has signed wrongly', () => {
    expect(() => checkToken(REQUEST, issued(pair().privateKey, REQUEST), keys)).toThrow(/is dropped.*signature/);
  });

  it.each<[string, Partial<TokenRequest>]>([
    ['another SPIFFE ID', { spiffeId: 'spiffe://edge.example.org/ns/plant/module/other' }],
    ['another audience', { audiences: ['other'] }],
    ['another lifetime', { lifetimeSeconds: 600 }],
  ])('is dropped where it has %s', (_, other) => {
    const token = { ...issued(privateKey, { ...REQUEST, ...other }), expiresAt: NOW + 300_000 };
    expect(() => checkToken(REQUEST, token, keys)).toThrow(/dropped/);
  });
});
