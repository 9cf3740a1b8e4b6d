// SPDX-License-Identifier: Apache-2.0
import { HttpFailure } from './http-failure.ts';

/** What a module calls itself in the path; to be held against what it is. */
export interface Claimed {
  readonly moduleId: string;
  /** Absent in the one route that has none. */
  readonly generationId?: string;
}

export type RouteName =
  | 'sign'
  | 'encrypt'
  | 'decrypt'
  | 'serverCertificate'
  | 'identityCertificate'
  | 'trustBundle'
  | 'manifestTrustBundle'
  | 'modules';

export interface Route {
  readonly name: RouteName;
  readonly method: 'GET' | 'POST';
  readonly claimed?: Claimed;
}

const OF_GENERATION: Readonly<Record<string, RouteName>> = {
  sign: 'sign',
  encrypt: 'encrypt',
  decrypt: 'decrypt',
  'certificate/server': 'serverCertificate',
};

const FIXED: Readonly<Record<string, RouteName>> = {
  '/trust-bundle': 'trustBundle',
  '/manifest-trust-bundle': 'manifestTrustBundle',
  '/modules': 'modules',
  '/modules/': 'modules',
};

const GENERATION_PATH = /^\/modules\/([^/]+)\/genid\/([^/]+)\/(sign|encrypt|decrypt|certificate\/server)$/;
const IDENTITY_PATH = /^\/modules\/([^/]+)\/certificate\/identity$/;
/** Absolute form (RFC 9112 3.2.2): a proxy's, whose host means nothing on a unix socket. */
const ABSOLUTE = /^https?:\/\/[^/?#]*/i;

/** Path and query of a request target. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const origin = target.replace(ABSOLUTE, '');
  const mark = origin.indexOf('?');
  return mark < 0 ? { path: origin, query: '' } : { path: origin.slice(0, mark), query: origin.slice(mark + 1) };
}

/** The route of a path, which is percent-decoded part by part. Throws HttpFailure 404 where there is none. */
export function routeOf(path: string): Route {
  const fixed = Object.hasOwn(FIXED, path) ? FIXED[path] : undefined;
  if (fixed) return { name: fixed, method: 'GET' };
  const [, ofGeneration, generation = '', operation = ''] = GENERATION_PATH.exec(path) ?? [];
  const name = OF_GENERATION[operation];
  if (ofGeneration !== undefined && name) {
    const claimed = { moduleId: decoded(ofGeneration), generationId: decoded(generation) };
    return { name, method: 'POST', claimed };
  }
  const [, ofIdentity] = IDENTITY_PATH.exec(path) ?? [];
  if (ofIdentity !== undefined) {
    return { name: 'identityCertificate', method: 'POST', claimed: { moduleId: decoded(ofIdentity) } };
  }
  throw new HttpFailure(404, 'not found');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpFailure(404, 'not found');
  }
}
