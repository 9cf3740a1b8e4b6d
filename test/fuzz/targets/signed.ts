// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseKeyEvidence } from '../../../src/integrity/key-evidence-reader.ts';
import { keyStatements } from '../../../src/integrity/key-statements.ts';
import { readCertificationRequest } from '../../../src/issue/certification-request.ts';
import { crlsIn, isSignedBy, readCrl } from '../../../src/issue/crl-reader.ts';
import { verifyJwtSvid } from '../../../src/issue/jwt-verification.ts';
import { crlPemOf, pemOf } from '../../../src/issue/pem.ts';
import type { KeyEvidence } from '../../../src/notary/key-evidence.ts';
import { readSpiffeBundle, spiffeBundle } from '../../../src/trust/spiffe-bundle.ts';
import { CERTIFICATES } from '../corpus/der.ts';
import { LISTS, MODULE_REQUESTS, TOKEN_TIME, TOKENS } from '../corpus/signed.ts';
import type { Dice } from '../dice.ts';
import { mutateDer } from '../mutations/der.ts';
import { mutateJson } from '../mutations/json.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const requested = MODULE_REQUESTS.map((der) => readCertificationRequest(der));

/** No change leaves a request good that is for another key, or for other names. */
function certificationRequest(der: Buffer): void {
  const read = readCertificationRequest(der);
  const said = JSON.stringify([read.publicKey.toString('hex'), read.uris, read.dnsNames]);
  const known = requested.map(({ publicKey, uris, dnsNames }) => [publicKey.toString('hex'), uris, dnsNames]);
  must(
    known.some((one) => JSON.stringify(one) === said),
    'a request says what its key has signed',
  );
}

const caKeys = LISTS.map(({ publicKey }) => createPublicKey({ key: publicKey, format: 'der', type: 'spki' }));

/** A list that was changed is nobody's. */
function revocationList(der: Buffer): void {
  const crl = readCrl(der);
  if (!caKeys.some((key) => isSignedBy(crl, key))) return;
  must(
    LISTS.some(({ list }) => list.includes(crl.tbs)),
    'a signed list is one that was signed',
  );
}

const listsPem = LISTS.map(({ list }) => crlPemOf(list)).join('');
const keys = TOKENS.map(({ key }) => key);
const texts = TOKENS.map(({ token }) => token);

function token(text: string): void {
  const reading = { audience: 'till', keys: () => keys, now: TOKEN_TIME };
  verifyJwtSvid(text, reading);
  // Base64url has several forms of the last character; the octets behind them are the same.
  const same = (one: string): boolean => octets(one) === octets(text);
  must(texts.some(same), 'a token that is believed is one that was signed');
}

const octets = (text: string): string =>
  text
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString('hex'))
    .join('.');

/** Changes what a token says, and not only its letters. */
function mutateToken(text: string, dice: Dice): string {
  if (dice.oneIn(2)) return mutateText(text, dice, ['.', '..', '=', 'eyJhbGciOiJub25lIn0'], texts);
  const parts = text.split('.');
  const at = dice.below(2);
  const said: unknown = JSON.parse(Buffer.from(parts[at] ?? '', 'base64url').toString());
  const written = JSON.stringify(mutateJson(said, dice));
  return parts.with(at, Buffer.from(written).toString('base64url')).join('.');
}

const bundle: unknown = JSON.parse(
  spiffeBundle({ anchors: CERTIFICATES.slice(0, 1).map((der) => ({ pem: pemOf(der) })), keys, sequence: 1 }),
);

function foreignBundle(document: unknown): boolean {
  const { pem, keys: found, problems } = readSpiffeBundle('source', JSON.stringify(document));
  must(
    found.every((key) => createPublicKey({ key, format: 'jwk' }).type === 'public'),
    'keys are public keys',
  );
  return pem !== '' || found.length > 0 || problems.length === 0;
}

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../unit/cli/recorded-evidence.json'), 'utf8'),
) as { readonly evidence: KeyEvidence; readonly roots: string };
const provenKey = recorded.evidence.key.publicKey;
const roots = new X509Certificate(recorded.roots).toString();

/** No change makes a proof of another key, and none makes the program fail otherwise than by saying so. */
function keyEvidence(document: unknown): void {
  const evidence = parseKeyEvidence(JSON.stringify(document));
  const [first] = keyStatements(evidence, { roots, now: Date.UTC(2026, 11, 1) });
  if (first?.level !== 'Proven') return;
  const same = Buffer.from(evidence.key.publicKey, 'base64').equals(Buffer.from(provenKey, 'base64'));
  must(same, 'what is proven is proven of the key that the TPM made');
}

export const SIGNED_TARGETS: readonly Target[] = [
  target({
    name: 'certification-request',
    weight: 2,
    corpus: MODULE_REQUESTS,
    mutate: mutateDer,
    read: certificationRequest,
  }),
  target({ name: 'crl', weight: 2, corpus: LISTS.map(({ list }) => list), mutate: mutateDer, read: revocationList }),
  target({
    name: 'crl-pem',
    weight: 0.5,
    corpus: [listsPem],
    mutate: (pem, dice) => mutateText(pem, dice, ['-----BEGIN X509 CRL-----', '-----END X509 CRL-----', '-----']),
    read: (pem) => crlsIn(pem).map(revocationList),
  }),
  target({ name: 'jwt-svid', weight: 2, corpus: texts, mutate: mutateToken, read: token }),
  target({ name: 'spiffe-bundle', weight: 0.5, corpus: [bundle], mutate: mutateJson, read: foreignBundle }),
  target({
    name: 'key-evidence',
    weight: 1,
    corpus: [recorded.evidence as unknown],
    mutate: mutateJson,
    read: keyEvidence,
  }),
];
