// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
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
