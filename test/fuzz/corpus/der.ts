// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Kind = 'certificates' | 'publicKeys' | 'requests';
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'der.json'), 'utf8')) as Record<
  Kind,
  readonly string[]
>;
const bytes = (texts: readonly string[]): readonly Buffer[] => texts.map((text) => Buffer.from(text, 'base64'));

/** CA and leaf of this notary with P-256, P-384 and RSA keys, in this order; kept, so that inputs can be made again. */
export const CERTIFICATES = bytes(recorded.certificates);
/** SubjectPublicKeyInfo: P-256, P-384, RSA. */
export const PUBLIC_KEYS = bytes(recorded.publicKeys);
/** Certificate signing requests (PKCS #10) that OpenSSL made: with extensions, without subject, RSA. */
export const REQUESTS = bytes(recorded.requests);
