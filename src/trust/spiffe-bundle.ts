// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import type { VerificationKey } from '../issue/jwt-verification.ts';
import type { Anchor } from './anchors.ts';
import { readTokenKeys } from './token-keys.ts';

/** What a bundle in SPIFFE's own format holds. */
export interface BundleDocument {
  readonly anchors: readonly Pick<Anchor, 'pem'>[];
  readonly keys: readonly VerificationKey[];
  /** Grows with every change (SPIFFE Trust Domain and Bundle, section 4.1.1). */
  readonly sequence: number;
}

/** How often readers should look again, seconds (section 4.1.2): well within the overlap of keys and authorities. */
const REFRESH_HINT_SECONDS = 300;

/** The bundle as SPIFFE Trust Domain and Bundle, section 4, writes it: a JWK Set with anchors and keys for tokens. */
export function spiffeBundle({ anchors, keys, sequence }: BundleDocument): string {
  const document = {
    keys: [...anchors.map(({ pem }) => anchorKey(pem)), ...keys],
    spiffe_sequence: sequence,
    spiffe_refresh_hint: REFRESH_HINT_SECONDS,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Reads a bundle of another trust domain. `pem` holds its anchors; they and the keys are judged like any other. */
export function readSpiffeBundle(
  name: string,
  text: string,
): { readonly pem: string; readonly keys: readonly VerificationKey[]; readonly problems: readonly string[] } {
  const listed = keysOf(text);
  if (!listed) {
    const problem = `${name} is no SPIFFE bundle: it must be a JSON object with "keys".`;
    return { pem: '', keys: [], problems: [problem] };
  }
  const { keys, problems } = readTokenKeys(name, listed);
  return { pem: listed.map(certificateOf).join(''), keys, problems };
}

export function isSpiffeBundle(text: string): boolean {
  return text.trimStart().startsWith('{');
}

function keysOf(text: string): readonly unknown[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) ? (keys as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Section 4.2.2: one certificate in x5c, the public key beside it. */
function anchorKey(pem: string): object {
  const certificate = new X509Certificate(pem);
  const { kty, crv, x, y, n, e } = certificate.publicKey.export({ format: 'jwk' });
  return { use: 'x509-svid', kty, crv, x, y, n, e, x5c: [certificate.raw.toString('base64')] };
}

function certificateOf(entry: unknown): string {
  const { use, x5c } = (entry ?? {}) as { use?: unknown; x5c?: unknown };
  const [der] = use === 'x509-svid' && Array.isArray(x5c) ? (x5c as unknown[]) : [];
  if (typeof der !== 'string') return '';
  return `-----BEGIN CERTIFICATE-----\n${der.replaceAll(/\s/g, '')}\n-----END CERTIFICATE-----\n`;
}
