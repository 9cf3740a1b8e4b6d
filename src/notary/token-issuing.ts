// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { es256Signature } from '../issue/jwk.ts';
import { acceptedClaims, signingInput, type TokenProfile } from '../issue/jwt-svid.ts';
import type { IssuedToken, TokenRequest } from './port.ts';
import type { TokenSigner } from './token-keys.ts';

/**
 * Issues a JWT-SVID within the profile: builds the claims from the request's fields and has the token sign them. The
 * signature is verified by the agent before it hands the token out (`checkToken`), as those of certificates are.
 * Throws ProfileViolation, or what the token throws.
 */
export function issueJwtSvid(
  signer: TokenSigner,
  profile: TokenProfile,
  request: TokenRequest,
  now: number,
): IssuedToken {
  const claims = acceptedClaims(profile, request, now, randomBytes(16).toString('base64url'));
  const input = signingInput(signer.keyId, claims);
  const signature = es256Signature(signer.key.sign(Buffer.from(input, 'latin1')));
  return {
    token: `${input}.${signature.toString('base64url')}`,
    keyId: signer.keyId,
    jti: claims.jti,
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
  };
}
