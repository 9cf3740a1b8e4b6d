// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { verifyJwtSvid, type VerificationKey } from '../issue/jwt-verification.ts';
import type { IssuedToken, TokenRequest } from './port.ts';

/**
 * Throws Internal unless the token is what was asked for, signed by one of the keys: the agent must never hand a module
 * an identity that is not that module's.
 */
export function checkToken(request: TokenRequest, issued: IssuedToken, keys: readonly VerificationKey[]): void {
  const { spiffeId, claims } = verified(request, issued, keys);
  const { aud, exp, jti } = claims;
  const fits =
    spiffeId === request.spiffeId &&
    JSON.stringify(aud) === JSON.stringify(request.audiences) &&
    exp === issued.expiresAt / 1000 &&
    jti === issued.jti;
  if (!fits)
    throw new KeysteadError('Internal', "the notary's token says something else than asked for; it is dropped");
}

function verified(
  { audiences: [audience = ''] }: TokenRequest,
  { token, issuedAt }: IssuedToken,
  keys: readonly VerificationKey[],
): ReturnType<typeof verifyJwtSvid> {
  try {
    return verifyJwtSvid(token, { audience, keys: () => keys, now: issuedAt });
  } catch (thrown) {
    throw new KeysteadError('Internal', `the notary's token is dropped: ${asKeysteadError(thrown).message}`);
  }
}
