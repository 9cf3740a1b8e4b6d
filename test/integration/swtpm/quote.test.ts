// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { pemOf } from '../../../src/issue/pem.ts';
import { createAttestationKey, withAttestationKey } from '../../../src/notary/root-of-trust/tpm/attestation-key.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { load } from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { extendPcr, readPcrs } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { encodePublic, parsePublic, publicKeyInfo } from '../../../src/tpm/public-area.ts';
import { makeQuote } from '../../../src/notary/root-of-trust/tpm/quote.ts';
import { verifyQuote } from '../../../src/tpm/verify-quote.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import { storagePrimary } from '../../../src/notary/root-of-trust/tpm/storage-primary.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;

beforeAll(() => requireTools());
beforeAll(async () => {
  soft = await SoftTpm.started();
});
afterAll(async () => soft.remove());

const BANK = TPM_ALG.sha256;

/** Content of a file that tpm2-tools wrote as a TPM2B. */
function tpm2b(name: string): Buffer {
  const reader = new TpmReader(readFileSync(soft.path(name)), name);
  const content = reader.sized();
  reader.end();
  return content;
}

describe.each(['EC-P256', 'RSA-2048'] as const)('a quote by an attestation key of %s', (algorithm) => {
  const selection = { hash: BANK, pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 16, 23] };

  it('is verified by tpm2_checkquote and by us', () => {
    const tpm = soft.open();
    extendPcr(tpm, 16, { hash: BANK, value: randomBytes(32) });
    const parent = storagePrimary(tpm);
    const blob = createAttestationKey(tpm, parent, algorithm);
    const nonce = randomBytes(20);
    const quote = tpm.withTransient(load(tpm, parent, blob), (ak) => makeQuote(tpm, ak, nonce, selection));
    writeFileSync(soft.path('our.msg'), quote.attest);
    writeFileSync(soft.path('our.sig'), quote.signature);
    writeFileSync(soft.path('our.pem'), pemPublic(blob.publicArea));
    soft.tool('tpm2_pcrread', `sha256:${selection.pcrs.join(',')}`, '-o', 'our.pcrs', '-F', 'serialized');
    const check = (nonceHex: string): string =>
      soft.tool(
        'tpm2_checkquote',
        '-u',
        'our.pem',
        '-m',
        'our.msg',
        '-s',
        'our.sig',
        '-f',
        'our.pcrs',
        '-g',
        'sha256',
        '-q',
        nonceHex,
      );
    expect(check(nonce.toString('hex'))).toContain('sig');
    expect(() => check(randomBytes(20).toString('hex'))).toThrow();
    const expected = { attestationKey: blob.publicArea, nonce, selection, values: quote.values };
    expect(verifyQuote(quote, expected)).toMatchObject({ safe: expect.any(Boolean) });
  });

  it('of tpm2_quote is verified by us', () => {
    const [keyType, scheme] = algorithm === 'EC-P256' ? ['ecc', 'ecdsa'] : ['rsa', 'rsassa'];
    soft.tool('tpm2_createek', '-c', 'ek.ctx', '-G', 'rsa', '-u', 'ek.pub');
    soft.tool(
      'tpm2_createak',
      '-C',
      'ek.ctx',
      '-c',
      'ak.ctx',
      '-G',
      keyType,
      '-g',
      'sha256',
      '-s',
      scheme,
      '-u',
      'ak.pub',
      '-f',
      'tss',
      '-n',
      'ak.name',
    );
    const nonce = randomBytes(16);
    soft.tool(
      'tpm2_quote',
      '-c',
      'ak.ctx',
      '-l',
      'sha256:0,1,2,16',
      '-q',
      nonce.toString('hex'),
      '-m',
      'their.msg',
      '-s',
      'their.sig',
      '-g',
      'sha256',
    );
    const few = { hash: BANK, pcrs: [0, 1, 2, 16] };
    const values = readPcrs(soft.open(), few);
    const quote = { attest: readFileSync(soft.path('their.msg')), signature: readFileSync(soft.path('their.sig')) };
    const expected = { attestationKey: tpm2b('ak.pub'), nonce, selection: few, values };
    expect(verifyQuote(quote, expected).firmwareVersion).toBeGreaterThan(0n);
    expect(() => verifyQuote(quote, { ...expected, nonce: randomBytes(16) })).toThrow(/^NonceMismatch/);
    expect(() => verifyQuote(quote, { ...expected, selection: { hash: BANK, pcrs: [0, 1, 2] } })).toThrow(
      /^PcrSelectionMismatch/,
    );
    expect(() => verifyQuote(quote, { ...expected, values: new Map(values).set(16, randomBytes(32)) })).toThrow(
      /^PcrDigestMismatch/,
    );
    const tpm = soft.open();
    const stranger = createAttestationKey(tpm, storagePrimary(tpm), algorithm);
    expect(() => verifyQuote(quote, { ...expected, attestationKey: stranger.publicArea })).toThrow(/^SignatureInvalid/);
    const unfit = { ...parsePublic(expected.attestationKey), attributes: 0x00040072 };
    expect(() => verifyQuote(quote, { ...expected, attestationKey: encodePublic(unfit) })).toThrow(
      /^AttestationKeyUnfit/,
    );
  });

  it('of the endorsement hierarchy needs no blob and tells the true counters', () => {
    const tpm = soft.open();
    const nonce = randomBytes(8);
    const taken = () =>
      withAttestationKey(tpm, algorithm, (ak) => ({
        attestationKey: ak.publicArea,
        quote: makeQuote(tpm, ak, nonce, selection),
      }));
    const [{ quote, attestationKey }, again] = [taken(), taken()];
    expect(again.attestationKey).toEqual(attestationKey);
    const facts = verifyQuote(quote, { attestationKey, nonce, selection, values: quote.values });
    expect(facts).toMatchObject({ restartCount: 0 });
    expect(facts.resetCount).toBeLessThan(1000);
  });

  it('tells that the machine was restarted', async () => {
    const tpm = soft.open();
    const blob = createAttestationKey(tpm, storagePrimary(tpm), algorithm);
    const resets = (): number => {
      const again = soft.open();
      const nonce = randomBytes(8);
      const quote = again.withTransient(load(again, storagePrimary(again), blob), (ak) =>
        makeQuote(again, ak, nonce, selection),
      );
      return verifyQuote(quote, { attestationKey: blob.publicArea, nonce, selection, values: quote.values }).resetCount;
    };
    const before = resets();
    expect(resets()).toBe(before);
    await soft.restart();
    expect(resets()).toBe(before + 1);
  });
});

function pemPublic(publicArea: Buffer): string {
  return pemOf(publicKeyInfo(parsePublic(publicArea))).replaceAll('CERTIFICATE', 'PUBLIC KEY');
}
