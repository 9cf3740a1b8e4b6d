// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
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
  if (!verify('sha256', message, { key: publicKeyOf(signer), dsaEncoding: 'ieee-p1363' }, signature)) {
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

/** Read once for each key: it costs a quarter of a verification. */
const publicKeys = new WeakMap<TokenSigner['key'], KeyObject>();

function publicKeyOf({ key }: TokenSigner): KeyObject {
  const known = publicKeys.get(key);
  if (known) return known;
  const made = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
  publicKeys.set(key, made);
  return made;
}
