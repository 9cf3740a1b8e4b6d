// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { checkIdentity } from './profile.ts';

/** Which tokens may be issued. The notary holds it; a caller cannot widen it. */
export interface TokenProfile {
  readonly trustDomain: string;
  readonly maxTokenSeconds: number;
}

/** What a caller may say about a token; all else the notary decides. */
export interface TokenFields {
  readonly spiffeId: string;
  /** Whom the token is for: 1 to 16 names, each once. */
  readonly audiences: readonly string[];
  /** Refused, not shortened, where it exceeds the profile's limit. */
  readonly lifetimeSeconds: number;
}

/** Claims of a JWT-SVID (JWT-SVID, section 3), with `iat` and `jti` that auditing needs. Seconds since the Unix epoch. */
export interface TokenClaims {
  readonly sub: string;
  readonly aud: readonly string[];
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
}

export const MAX_AUDIENCES = 16;
export const MAX_AUDIENCE_LENGTH = 255;
/** Printable ASCII without blanks: nothing that two readers could take for two names. */
const AUDIENCE = /^[\x21-\x7e]+$/;

/**
 * Decides whether a token may be issued at `now` (milliseconds since the Unix epoch), and builds its claims. Pure but for
 * the `jti`, which is given. Throws ProfileViolation with what was expected and found.
 */
export function acceptedClaims(profile: TokenProfile, fields: TokenFields, now: number, jti: string): TokenClaims {
  checkIdentity(profile, fields.spiffeId);
  checkAudiences(fields.audiences);
  const { lifetimeSeconds } = fields;
  const whole = Number.isSafeInteger(lifetimeSeconds) && lifetimeSeconds > 0;
  if (!whole || lifetimeSeconds > profile.maxTokenSeconds) {
    throw violation(`a lifetime of 1 to ${profile.maxTokenSeconds} whole seconds`, `${lifetimeSeconds}`);
  }
  const iat = Math.floor(now / 1000);
  return { sub: fields.spiffeId, aud: [...fields.audiences], iat, exp: iat + lifetimeSeconds, jti };
}

/** Throws ProfileViolation unless a token may be for just these. */
export function checkAudiences(audiences: readonly string[]): void {
  if (audiences.length === 0 || audiences.length > MAX_AUDIENCES) {
    throw violation(`1 to ${MAX_AUDIENCES} audiences`, `${audiences.length}`);
  }
  for (const audience of audiences) {
    if (audience.length > MAX_AUDIENCE_LENGTH || !AUDIENCE.test(audience)) {
      const expected = `an audience of 1 to ${MAX_AUDIENCE_LENGTH} printable ASCII characters without blanks`;
      throw violation(expected, JSON.stringify(audience.slice(0, 80)));
    }
  }
  if (new Set(audiences).size !== audiences.length) throw violation('each audience once', 'one twice');
}

/** What is signed: JWS Signing Input (RFC 7515, section 5.1) of a JWT-SVID signed with ES256. */
export function signingInput(keyId: string, claims: TokenClaims): string {
  return `${part({ alg: 'ES256', kid: keyId, typ: 'JWT' })}.${part(claims)}`;
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `expected ${expected}, found ${found}`);
}
