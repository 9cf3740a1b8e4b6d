// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { verifyResidency } from '../../../src/tpm/verify-residency.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { encodePublic, parsePublic } from '../../../src/tpm/public-area.ts';
import { verifyQuote, type QuoteExpectation } from '../../../src/tpm/verify-quote.ts';
import { bytes, RECORDED } from './recorded.ts';

const certified = RECORDED.evidence['EC-P256-certified'];
const proof = { attest: bytes(certified.attest), signature: bytes(certified.signature) };

describe.each(['RSA-2048', 'EC-P256'] as const)('a recorded quote of %s', (algorithm) => {
  const recorded = RECORDED.evidence[algorithm];
  const quote = { attest: bytes(recorded.attest), signature: bytes(recorded.signature) };
  const values = new Map(Object.entries(recorded.pcrs).map(([pcr, value]) => [Number(pcr), bytes(value)]));
  const expected: QuoteExpectation = {
    attestationKey: bytes(recorded.attestationKey),
    nonce: bytes(recorded.nonce),
    selection: { hash: TPM_ALG.sha256, pcrs: [...values.keys()] },
    values,
  };

  it('is good, and its 64-bit numbers are whole', () => {
    const facts = verifyQuote(quote, expected);
    expect(facts.clock).toBe(quote.attest.readBigUInt64BE(quote.attest.indexOf(expected.nonce) + 16));
    expect(facts.firmwareVersion).toBeGreaterThan(0xffffffffn);
  });

  it.each<readonly [string, Partial<QuoteExpectation>, RegExp]>([
    ['for another nonce', { nonce: Buffer.alloc(16) }, /^NonceMismatch/],
    ['for no nonce', { nonce: Buffer.alloc(0) }, /^NonceMismatch/],
    ['for more PCRs', { selection: { hash: TPM_ALG.sha256, pcrs: [0, 1, 2, 3, 16, 17] } }, /^PcrSelectionMismatch/],
    ['of another bank', { selection: { hash: TPM_ALG.sha1, pcrs: [...values.keys()] } }, /^PcrSelectionMismatch/],
    ['of other values', { values: new Map([...values, [16, Buffer.alloc(32)]]) }, /^PcrDigestMismatch/],
    [
      'by another key',
      { attestationKey: bytes(RECORDED.evidence[algorithm === 'EC-P256' ? 'RSA-2048' : 'EC-P256'].attestationKey) },
      /^SignatureInvalid/,
    ],
    ['by no key', { attestationKey: Buffer.from('nonsense') }, /^malformed TPMT_PUBLIC/],
  ])('is refused where it should be %s', (_, changes, reason) => {
    const verify = () => verifyQuote(quote, { ...expected, ...changes });
    expect(verify).toThrow(expect.objectContaining({ code: 'AttestationDenied' }));
    expect(verify).toThrow(reason);
  });

  it.each([
    ['fixedTPM', 0x2],
    ['fixedParent', 0x10],
    ['sensitiveDataOrigin', 0x20],
    ['restricted', 0x10000],
    ['sign', 0x40000],
  ])('is refused by a key without %s', (_, bit) => {
    const area = parsePublic(expected.attestationKey);
    const attestationKey = encodePublic({ ...area, attributes: area.attributes & ~bit });
    expect(() => verifyQuote(quote, { ...expected, attestationKey })).toThrow(/^AttestationKeyUnfit/);
  });

  it('is refused with one bit changed, wherever it is', () => {
    for (const part of ['attest', 'signature'] as const) {
      for (let bit = 0; bit < 8 * quote[part].length; bit += 3) {
        const octets = Buffer.from(quote[part]);
        octets[bit >> 3] = octets[bit >> 3]! ^ (1 << (bit & 7));
        expect(() => verifyQuote({ ...quote, [part]: octets }, expected)).toThrow(
          expect.objectContaining({ code: 'AttestationDenied' }),
        );
      }
    }
  });

  it('is refused where a certification is offered, and the other way round', () => {
    const key = { attestationKey: bytes(RECORDED.evidence['EC-P256'].attestationKey), nonce: expected.nonce };
    if (algorithm === 'EC-P256') expect(() => verifyQuote(proof, { ...expected, ...key })).toThrow(/^NotAQuote/);
    const publicArea = bytes(certified.publicArea);
    expect(() =>
      verifyResidency(quote, { attestationKey: expected.attestationKey, nonce: expected.nonce, publicArea }),
    ).toThrow(/^NotACertification/);
  });
});
