// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { es256Signature } from '../issue/jwk.ts';
import { acceptedClaims, signingInput, type TokenProfile } from '../issue/jwt-svid.ts';
import type { IssuedToken, TokenRequest } from './port.ts';
import type { TokenSigner } from './token-keys.ts';

/**
 * Issues a JWT-SVID within the profile: builds the claims from the request's fields, has the token sign them, and verifies
 * the signature before it is handed out. Throws ProfileViolation, or what the token throws.
 */
export function issueJwtSvid(
  signer: TokenSigner,
  profile: TokenProfile,
  request: TokenRequest,
  now: number,
): IssuedToken {
  const claims = acceptedClaims(profile, request, now, randomBytes(16).toString('base64url'));
  const input = signingInput(signer.keyId, claims);
  const message = Buffer.from(input, 'latin1');
  const signature = es256Signature(signer.key.sign(message));
  const publicKey = createPublicKey({ key: signer.key.publicKey, format: 'der', type: 'spki' });
  if (!verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw new KeysteadError('TokenFailed', "expected the key's own signature from the token, found another; try again");
  }
  return {
    token: `${input}.${signature.toString('base64url')}`,
    keyId: signer.keyId,
    jti: claims.jti,
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
  };
}
