// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** A SPIFFE ID taken apart (SPIFFE-ID specification, section 2). */
export interface SpiffeId {
  readonly trustDomain: string;
  /** Starts with a slash; empty for the trust domain itself. */
  readonly path: string;
}

/** SPIFFE-ID 2.3: implementations must not make longer ones. */
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const SCHEME = 'spiffe://';
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const PATH_SEGMENT = /^[a-zA-Z0-9._-]+$/;

/** Reads a SPIFFE ID strictly; no normalising. Throws ProfileViolation with what was expected and found. */
export function parseSpiffeId(text: string): SpiffeId {
  if (text.length > MAX_ID_BYTES) throw violation(`at most ${MAX_ID_BYTES} bytes`, `${text.length} bytes`);
  if (!text.startsWith(SCHEME)) throw violation(`a text that starts with ${SCHEME}`, quoted(text));
  const slash = text.indexOf('/', SCHEME.length);
  const trustDomain = slash < 0 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
  checkTrustDomain(trustDomain);
  const path = slash < 0 ? '' : text.slice(slash);
  if (path !== '') checkPath(path);
  return { trustDomain, path };
}

/** Throws ProfileViolation unless `name` is a trust domain name (SPIFFE-ID 2.1). */
export function checkTrustDomain(name: string): void {
  if (name.length > MAX_TRUST_DOMAIN_BYTES) {
    throw violation(`a trust domain of at most ${MAX_TRUST_DOMAIN_BYTES} bytes`, `${name.length} bytes`);
  }
  if (!TRUST_DOMAIN.test(name)) throw violation('a trust domain of a-z, 0-9, dot, dash and underscore', quoted(name));
}

function checkPath(path: string): void {
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') throw violation('a path without empty segments or a slash at its end', quoted(path));
    if (segment === '.' || segment === '..') throw violation('a path without . or .. segments', quoted(path));
    if (!PATH_SEGMENT.test(segment)) {
      throw violation('path segments of letters, digits, dot, dash and underscore', quoted(segment));
    }
  }
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `SPIFFE ID: expected ${expected}, found ${found}`);
}

/** The start of a foreign text, escaped, for an error message. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
