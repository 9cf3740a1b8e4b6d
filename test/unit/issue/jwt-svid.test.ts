// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { createPublicKey } from 'node:crypto';
import { es256Signature, p256Jwk, thumbprint } from '../../../src/issue/jwk.ts';
import { acceptedClaims, signingInput } from '../../../src/issue/jwt-svid.ts';
import { verifyJwtSvid, type VerificationKey } from '../../../src/issue/jwt-verification.ts';
import { freshPublicKey, memorySigner, SPIFFE_ID, TRUST_DOMAIN } from './samples.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const PROFILE = { trustDomain: TRUST_DOMAIN, maxTokenSeconds: 600 };
const FIELDS = { spiffeId: SPIFFE_ID, audiences: ['till', 'https://bank.example/pay'], lifetimeSeconds: 300 };
const accepted = (change: object = {}) => acceptedClaims(PROFILE, { ...FIELDS, ...change }, NOW, 'id-1');

describe('a JWK', () => {
  it('is what node:crypto makes of the same key', () => {
    const spki = freshPublicKey();
    expect(p256Jwk(spki)).toEqual(
      createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' }),
    );
  });

  it('is refused for another curve', () => expect(() => p256Jwk(freshPublicKey('P-384'))).toThrow('P-256'));

  it('has the thumbprint that RFC 7638 tells to make', () => {
    // The elliptic curve key of RFC 7517, appendix A.1.
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
      y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    } as const;
    expect(thumbprint(jwk)).toBe('cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s');
  });

  it('signature is two integers of 32 octets, filled up or freed of their sign octet', () => {
    const r = `00${'ff'.repeat(32)}`;
    const signature = es256Signature(Buffer.from(`30260221${r}020107`, 'hex'));
    expect(signature.toString('hex')).toBe(`${'ff'.repeat(32)}${'00'.repeat(31)}07`);
    expect(() => es256Signature(Buffer.from(`30280223${'01'.repeat(35)}020107`, 'hex'))).toThrow('at most 32 octets');
  });
});

describe('the claims of a token', () => {
  it('are built from the fields', () => {
    const iat = NOW / 1000;
    expect(accepted()).toEqual({ sub: SPIFFE_ID, aud: FIELDS.audiences, iat, exp: iat + 300, jti: 'id-1' });
  });

  it.each([
    ['another trust domain', { spiffeId: 'spiffe://other.example/ns/a/module/b' }, 'in trust domain edge.example'],
    ['an ID that is no module', { spiffeId: `spiffe://${TRUST_DOMAIN}/admin` }, 'a path under /ns/'],
    ['no audience', { audiences: [] }, '1 to 16 audiences'],
    ['too many audiences', { audiences: Array.from({ length: 17 }, (_, i) => `a${i}`) }, 'found 17'],
    ['an empty audience', { audiences: [''] }, 'printable ASCII'],
    ['an audience with a blank', { audiences: ['a b'] }, 'without blanks'],
    ['an audience with a line break', { audiences: ['a\nb'] }, 'printable ASCII'],
    ['an audience of 256 characters', { audiences: ['a'.repeat(256)] }, '1 to 255'],
    ['the same audience twice', { audiences: ['a', 'a'] }, 'each audience once'],
    ['a lifetime beyond the limit', { lifetimeSeconds: 601 }, '1 to 600'],
    ['no lifetime', { lifetimeSeconds: 0 }, '1 to 600'],
    ['part of a second', { lifetimeSeconds: 1.5 }, '1 to 600'],
  ])('are refused for %s', (_, change, message) => {
    expect(() => accepted(change)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
    expect(() => accepted(change)).toThrow(message);
  });
});

describe('a JWT-SVID', () => {
  const signer = memorySigner('EC-P256');
  const jwk = p256Jwk(signer.publicKey);
  const key: VerificationKey = { ...jwk, kid: thumbprint(jwk) };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (input: string): string =>
    `${input}.${es256Signature(signer.sign(Buffer.from(input))).toString('base64url')}`;
  const token = (change: { header?: object; claims?: object } = {}): string =>
    signed(
      `${part({ alg: 'ES256', kid: key.kid, typ: 'JWT', ...change.header })}.${part({ ...accepted(), ...change.claims })}`,
    );
  const read = (text: string, change: object = {}) =>
    verifyJwtSvid(text, {
      audience: 'till',
      keys: (trustDomain) => (trustDomain === TRUST_DOMAIN ? [key] : undefined),
      now: NOW,
      ...change,
    });

  it('is valid for each of its audiences, signed by a key of its trust domain', () => {
    const text = signed(signingInput(key.kid, accepted()));
    expect(text).toBe(`${text.split('.').slice(0, 2).join('.')}.${text.split('.')[2]}`);
    expect(read(text)).toMatchObject({ spiffeId: SPIFFE_ID, claims: { jti: 'id-1' } });
    expect(read(text, { audience: FIELDS.audiences[1] }).spiffeId).toBe(SPIFFE_ID);
    expect(read(token()).spiffeId).toBe(SPIFFE_ID);
  });

  it.each([
    ['for somebody else', () => read(token(), { audience: 'other' }), 'aud: expected "other"'],
    ['after its end', () => read(token(), { now: NOW + 361_000 }), 'exp: expected a time to come'],
    ['before its time', () => read(token({ claims: { nbf: NOW / 1000 + 120 } })), 'nbf: expected a time past'],
    ['without end', () => read(token({ claims: { exp: undefined } })), 'exp: expected a time'],
    ['of an unknown trust domain', () => read(token(), { keys: () => undefined }), 'whose bundle is known here'],
    ['of a key that is not published', () => read(token(), { keys: () => [] }), 'kid: expected a key of edge.example'],
    ['without subject', () => read(token({ claims: { sub: undefined } })), 'sub: expected a SPIFFE ID'],
    ['whose subject is no SPIFFE ID', () => read(token({ claims: { sub: 'me' } })), 'sub: SPIFFE ID: expected'],
    [
      'with alg none',
      () => read(`${part({ alg: 'none', kid: key.kid })}.${part(accepted())}.AA`),
      'alg: expected ES256',
    ],
    ['signed with a MAC', () => read(token({ header: { alg: 'HS256' } })), 'alg: expected ES256'],
    [
      'of an algorithm for other keys',
      () => read(token({ header: { alg: 'RS256' } })),
      'alg: expected one for ec keys',
    ],
    ['of an algorithm for another curve', () => read(token({ header: { alg: 'ES384' } })), 'for the curve prime256v1'],
    ['with critical extensions', () => read(token({ header: { crit: ['x'] } })), 'crit: expected no critical'],
    ['of another type', () => read(token({ header: { typ: 'at+jwt' } })), 'typ: expected JWT or JOSE'],
    [
      'that was changed',
      () => read(token().replace(/\.[^.]+\./, `.${part({ ...accepted(), aud: 'till', sub: SPIFFE_ID })}.`)),
      'signature: expected',
    ],
    ['that is none', () => read('nonsense'), 'three parts of base64url'],
    ['whose header is no object', () => read('W10.W10.AA'), 'header: expected a JSON object'],
  ])('is refused %s', (_, attempt, message) => {
    expect(attempt).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
    expect(attempt).toThrow(message);
  });
});
