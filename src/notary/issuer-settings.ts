// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { Fields } from './fields.ts';
import type { KeyAlgorithm } from './root-of-trust/port.ts';

/** The node's own CA, which makes its keys and renews itself. */
export interface SelfSignedIssuer {
  readonly algorithm: KeyAlgorithm;
  readonly lifetimeSeconds: number;
  /** Longest lifetime of a leaf that may be asked for. */
  readonly maxLeafSeconds: number;
  /** A CA key made before this time is followed by a new one; milliseconds since the Unix epoch. */
  readonly rotateBefore?: number;
}

/** A CA that somebody else signed, with a key that was made on the root of trust beforehand. */
export interface PreloadedIssuer {
  readonly preloaded: {
    /** RFC 7512. */
    readonly keyUri: string;
    /** PEM, issuing certificate first, root last; in the text or in a file. */
    readonly certificates?: string;
    readonly certificatesFile?: string;
  };
  readonly maxLeafSeconds: number;
}

export type IssuerSettings = SelfSignedIssuer | PreloadedIssuer;

const ALGORITHMS = ['EC-P256', 'EC-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;
export const MAX_LIFETIME_SECONDS = 10 * 366 * 86_400;
const MIN_LEAF_SECONDS = 60;
const MAX_URI_CHARACTERS = 2048;
const MAX_PEM_CHARACTERS = 65_536;
const MAX_TIME = 8.64e15;

/** Reads them from outside. Throws InvalidConfiguration that names the field. */
export function decodeIssuer(fields: Fields): IssuerSettings {
  const maxLeafSeconds = fields.integer('maxLeafSeconds', MIN_LEAF_SECONDS, MAX_LIFETIME_SECONDS);
  if (fields.has('preloaded')) return { preloaded: decodePreloaded(fields.object('preloaded')), maxLeafSeconds };
  const issuer = {
    algorithm: fields.oneOf('algorithm', ALGORITHMS),
    lifetimeSeconds: fields.integer('lifetimeSeconds', 2 * MIN_LEAF_SECONDS, MAX_LIFETIME_SECONDS),
    maxLeafSeconds,
    ...(fields.has('rotateBefore') && { rotateBefore: fields.integer('rotateBefore', 0, MAX_TIME) }),
  };
  if (issuer.lifetimeSeconds < 2 * issuer.maxLeafSeconds) {
    const expected = `at least twice maxLeafSeconds (${2 * issuer.maxLeafSeconds}), so that rollover has room`;
    throw invalid('lifetimeSeconds', expected, `${issuer.lifetimeSeconds}`);
  }
  return issuer;
}

function decodePreloaded(fields: Fields): PreloadedIssuer['preloaded'] {
  if (fields.has('certificates') === fields.has('certificatesFile')) {
    const found = fields.has('certificates') ? 'both' : 'neither';
    throw invalid('preloaded', 'exactly one of certificates, certificatesFile', found);
  }
  return {
    keyUri: fields.secretString('keyUri', MAX_URI_CHARACTERS),
    ...(fields.has('certificates') && { certificates: fields.string('certificates', MAX_PEM_CHARACTERS) }),
    ...(fields.has('certificatesFile') && { certificatesFile: fields.path('certificatesFile') }),
  };
}

function invalid(field: string, expected: string, found: string): KeysteadError {
  return new KeysteadError(
    'InvalidConfiguration',
    `configuration.issuer.${field}: expected ${expected}, found ${found}`,
  );
}
