// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { KeyEvidence } from '../../../src/notary/key-evidence.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { nameOf } from '../../../src/tpm/public-area.ts';
import { run } from './fakes.ts';

const attributes = { sensitive: true, extractable: false, neverExtractable: true, local: true };
const token = { kind: 'PKCS11', label: 'device', serial: '7', manufacturer: 'Maker', model: 'HSM', library: '' };
const evidence = (change: object): string =>
  JSON.stringify({
    ...{ format: 1, node: 'edge-1', trustDomain: 'edge', time: '2026-11-27T10:00:00Z', nonce: 'AAAA', token },
    key: { purpose: 'Issuer', label: 'l', uri: 'u', algorithm: 'EC-P256', publicKey: 'AAAA', attributes },
    ...change,
  });
const verify = (text: string, options = '') => run(`verify-key key.json ${options}`, { files: { 'key.json': text } });

describe('keystead verify-key', () => {
  it('says of a PKCS#11 key that the token claims it and nothing proves it', async () => {
    const { exit, out } = await verify(evidence({}));
    expect(out).toContain('PKCS11 token "device" (serial 7, Maker HSM): claimed by the token, not proven');
    expect(out).not.toContain('Proven');
    expect(exit).toBe(1);
  });

  it('says software plainly', async () => {
    const { exit, out } = await verify(evidence({ token: { ...token, kind: 'Software' } }));
    expect(out).toMatch(/^Claimed +software: the key is in no hardware/);
    expect(exit).toBe(1);
  });

  it('refutes a key that its token calls extractable, and statements of a TPM that are none', async () => {
    const key = { purpose: 'Issuer', publicKey: 'AAAA', attributes: { ...attributes, extractable: true } };
    expect(await verify(evidence({ key }))).toMatchObject({ exit: 2, out: expect.stringContaining('can leave it') });
    const statement = { attest: 'AAAA', signature: 'AAAA', data: '' };
    const tpm = { publicArea: 'AAAA', attestationKey: 'AAAA', presence: statement, creation: statement };
    expect(await verify(evidence({ tpm }))).toMatchObject({ exit: 2, out: expect.stringContaining('Refuted') });
  });

  it.each([['no JSON'], ['{}'], ['{"format":2}'], ['null']])('refuses %s', async (text) => {
    expect(await verify(text)).toMatchObject({ exit: 2, err: expect.stringContaining('expected what keystead') });
  });
});

interface Recorded {
  readonly evidence: KeyEvidence;
  /** Of another key in the same TPM. */
  readonly another: KeyEvidence['key'];
  /** PEM of the TPM's maker, and of a stranger. */
  readonly roots: string;
  readonly stranger: string;
}

/** What a notary on a software TPM said once of a module's key. */
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded-evidence.json'), 'utf8')) as Recorded;
const NONCE = '00112233445566778899aabbccddeeff';
const WHEN = Date.UTC(2026, 11, 1);
const octets = (base64: string): Buffer => Buffer.from(base64, 'base64');
const pem = (base64: string): string =>
  createPublicKey({ key: octets(base64), format: 'der', type: 'spki' }).export({
    type: 'spki',
    format: 'pem',
  }) as string;
const attestationKey = nameOf(octets(recorded.evidence.tpm!.attestationKey), TPM_ALG.sha256).toString('hex');

function verifyTpm(options = '', change: Partial<KeyEvidence> = {}) {
  const files = {
    'key.json': JSON.stringify({ ...recorded.evidence, ...change }),
    'key.pem': pem(recorded.evidence.key.publicKey),
    'another.pem': pem(recorded.another.publicKey),
    'roots.pem': recorded.roots,
    'stranger.pem': recorded.stranger,
  };
  return run(`verify-key key.json ${options}`, { files, now: WHEN });
}

describe('keystead verify-key, of a key in a TPM', () => {
  it('finds residence, freshness, attestation key, maker and public key proven where all is known', async () => {
    const known = `--nonce ${NONCE} --attestation-key ${attestationKey} --endorsement-roots roots.pem --public-key key.pem`;
    const { exit, out } = await verifyTpm(known);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(
        `^Proven  the key was made in the TPM that holds the attestation key ${attestationKey}, and cannot leave it$`,
      ),
      'Proven  it was made after you asked for it: it holds your nonce',
      'Proven  the attestation key is the one that you know',
      'Proven  the endorsement key is one that CN=Maker vouches for',
      'Proven  the evidence is about the key that you gave',
      'Claimed at 2026-11-27T22:00:00.000Z it was the key of module factory/press on node edge-1',
    ]);
    expect(exit).toBe(0);
  });

  it('says what is only claimed as long as it is not told what to compare with', async () => {
    const { exit, out } = await verifyTpm();
    expect(exit).toBe(0);
    expect(out.split('\n').map((line) => line.slice(0, 7).trim())).toEqual([
      ...['Proven', 'Claimed', 'Claimed', 'Claimed', 'Claimed'],
    ]);
  });

  it.each([
    ['another nonce', `--nonce ${NONCE.replace('00', '01')}`, 'it holds another nonce'],
    ['another attestation key', `--attestation-key 000b${'00'.repeat(32)}`, 'not the one that you know'],
    ['another key', '--public-key another.pem', 'about another key'],
    ['another maker', '--endorsement-roots stranger.pem', 'EndorsementCertificateUntrusted'],
  ])('refutes it where %s was expected', async (_, options, reason) => {
    const { exit, out } = await verifyTpm(options);
    expect(exit).toBe(2);
    expect(out).toMatch(new RegExp(`^Refuted .*${reason}`, 'm'));
  });

  it('refutes statements that are put beside another key, another creation or another nonce', async () => {
    const { tpm } = recorded.evidence;
    const creation = { ...tpm!.creation, data: Buffer.alloc(8).toString('base64') };
    for (const [change, reason] of [
      [{ key: recorded.another }, 'KeyMismatch'],
      [{ tpm: { ...tpm!, creation } }, 'CreationMismatch'],
      [{ tpm: { ...tpm!, presence: { ...tpm!.presence, signature: tpm!.creation.signature } } }, 'SignatureInvalid'],
      [{ nonce: 'AAAA' }, 'NonceMismatch'],
    ] as const) {
      expect(await verifyTpm('', change)).toMatchObject({
        exit: 2,
        out: expect.stringMatching(new RegExp(`^Refuted .*${reason}`)),
      });
    }
  });

  it('gives all of it as JSON', async () => {
    const { out } = await verifyTpm('--json');
    expect(JSON.parse(out)).toMatchObject({ proven: true, statements: expect.any(Array) });
  });
});
