// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JsonObject } from '@bufbuild/protobuf';
import { KeysteadError } from '../../errors.ts';
import type {
  JWTBundlesResponseSchema,
  JWTSVIDResponseSchema,
  ValidateJWTSVIDResponseSchema,
} from '../../gen/spiffe/workload_pb.js';
import { checkAudiences } from '../../issue/jwt-svid.ts';
import { verifyJwtSvid } from '../../issue/jwt-verification.ts';
import type { IssuedToken, TokenRequest } from '../../notary/port.ts';
import type { IdentityTerms } from '../port.ts';
import { jwksBytes, visibleBundles, type Trusting } from './bundles.ts';
import { currentLeaves, type Leaf } from './leaf.ts';

export type JwtSvidResponse = MessageInitShape<typeof JWTSVIDResponseSchema>;
export type JwtBundlesResponse = MessageInitShape<typeof JWTBundlesResponseSchema>;
export type ValidateResponse = MessageInitShape<typeof ValidateJWTSVIDResponseSchema>;

/** What one call for tokens is answered from. */
export interface TokenContent extends Omit<Trusting, 'terms'> {
  readonly first: string | undefined;
  readonly now: number;
  readonly terms: (identity: string) => IdentityTerms | undefined;
  readonly token: (request: TokenRequest) => Promise<IssuedToken>;
}

export interface TokenQuestion {
  readonly audience: readonly string[];
  /** Empty: all identities of the caller. */
  readonly spiffeId: string;
}

/**
 * SPIFFE Workload API, section 6.2.1: a JWT-SVID for each of the caller's identities, or for the one asked for.
 * @throws KeysteadError `InvalidRequest` without an audience; `PermissionDenied` where no identity of the caller grants it.
 */
export async function jwtSvids(question: TokenQuestion, content: TokenContent): Promise<JwtSvidResponse> {
  const audiences = [...new Set(question.audience)];
  if (audiences.length === 0) throw new KeysteadError('InvalidRequest', 'expected at least one audience, found none');
  checkForm(audiences);
  const leaves = currentLeaves(content.served, content.first, content.now);
  const asked = leaves.filter(({ spiffeId }) => question.spiffeId === '' || spiffeId === question.spiffeId);
  if (asked.length === 0) throw denied(`one of ${listed(leaves)}`, question.spiffeId);
  const requests = asked.flatMap((leaf) => requestFor(leaf, audiences, content) ?? []);
  if (requests.length === 0) throw notGranted(asked, audiences, content);
  return {
    svids: await Promise.all(requests.map(async ({ leaf, request }) => svid(leaf, await content.token(request)))),
  };
}

/** Section 6.2.2: keys for JWT-SVIDs by the SPIFFE ID of their trust domain; the caller's own is always there. */
export function jwtBundles(trusting: Trusting): JwtBundlesResponse {
  const bundles = [...visibleBundles(trusting)].map(([id, bundle]) => [id, jwksBytes(bundle)] as const);
  return { bundles: Object.fromEntries(bundles) };
}

/** Section 6.2.3. Throws InvalidRequest where the token is not valid for the audience. */
export function validated(
  { audience, svid: token }: { readonly audience: string; readonly svid: string },
  { now, ...trusting }: Trusting & { readonly now: number },
): ValidateResponse {
  if (audience === '') throw new KeysteadError('InvalidRequest', 'expected an audience, found none');
  const bundles = visibleBundles(trusting);
  const keys = (trustDomain: string) => bundles.get(`spiffe://${trustDomain}`)?.keys;
  const { spiffeId, claims } = verifyJwtSvid(token, { audience, keys, now });
  const { jti } = claims as { readonly jti?: unknown };
  if (typeof jti === 'string' && trusting.trust.own.revokedTokens?.includes(jti)) {
    throw new KeysteadError(
      'InvalidRequest',
      `token ${jti} was revoked: whom it was issued to may not have it any more`,
    );
  }
  return { spiffeId, claims: claims as JsonObject };
}

function svid({ spiffeId, identity }: Leaf, { token }: IssuedToken): { spiffeId: string; svid: string; hint: string } {
  return { spiffeId, svid: token, hint: identity };
}

/** The notary would say the same; this costs it nothing, and the caller's mistake has the caller's code. */
function checkForm(audiences: readonly string[]): void {
  try {
    checkAudiences(audiences);
  } catch (thrown) {
    throw thrown instanceof KeysteadError ? new KeysteadError('InvalidRequest', thrown.message) : thrown;
  }
}

function requestFor(
  leaf: Leaf,
  audiences: readonly string[],
  { terms }: Pick<TokenContent, 'terms'>,
): { leaf: Leaf; request: TokenRequest } | undefined {
  const { token, requester } = terms(leaf.identity) ?? {};
  if (!token || !requester || !audiences.every((audience) => allows(token.audiences, audience))) return undefined;
  const { lifetimeSeconds } = token;
  return { leaf, request: { spiffeId: leaf.spiffeId, audiences, lifetimeSeconds, requester } };
}

function allows(granted: readonly string[], audience: string): boolean {
  return granted.includes('*') || granted.includes(audience);
}

function notGranted(
  asked: readonly Leaf[],
  audiences: readonly string[],
  { terms }: Pick<TokenContent, 'terms'>,
): KeysteadError {
  const granted = asked.flatMap(({ identity }) => terms(identity)?.token?.audiences ?? []);
  const names = asked.map(({ identity }) => identity).join(', ');
  const expected = granted.length > 0 ? `audiences among ${granted.join(', ')}` : 'spec.token, which is not set';
  const message = `AudienceNotAllowed: by ModuleIdentity ${names} expected ${expected}; found ${audiences.join(', ')}. Add the audience to spec.token.audiences.`;
  return new KeysteadError('PermissionDenied', message);
}

function listed(leaves: readonly Leaf[]): string {
  return leaves.map(({ spiffeId }) => spiffeId).join(', ');
}

function denied(expected: string, found: string): KeysteadError {
  return new KeysteadError('PermissionDenied', `SpiffeIdNotHeld: expected ${expected}, found ${found}`);
}
