// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { DerReader } from '../../../src/issue/der-reader.ts';
import { DerWriter } from '../../../src/issue/der-writer.ts';
import { renewalTime } from '../../../src/issue/renewal.ts';
import { decodeValidity, encodeTime, validityFrom, writeValidity } from '../../../src/issue/validity.ts';

describe('times', () => {
  it.each([
    [Date.UTC(2026, 0, 2, 3, 4, 5), 0x17, '260102030405Z'],
    [Date.UTC(2049, 11, 31, 23, 59, 59), 0x17, '491231235959Z'],
    [Date.UTC(2050, 0, 1), 0x18, '20500101000000Z'],
    [Date.UTC(2126, 10, 22), 0x18, '21261122000000Z'],
    [Date.UTC(1950, 0, 1), 0x17, '500101000000Z'],
  ])('%d has the form that RFC 5280 demands', (time, tag, text) => {
    const encoded = encodeTime(time);
    expect(encoded[0]).toBe(tag);
    expect(encoded.toString('latin1', 2)).toBe(text);
  });

  it('reads back what it writes, on both sides of 2050', () => {
    const validity = { notBefore: Date.UTC(2049, 5, 1), notAfter: Date.UTC(2050, 5, 1, 1, 2, 3) };
    const writer = new DerWriter();
    writeValidity(writer, validity);
    const reader = new DerReader(writer.view()).enter(0x30, 'validity');
    expect(decodeValidity(reader)).toEqual(validity);
  });

  it('a lifetime of one second begins and ends in the same second', () => {
    const now = Date.UTC(2026, 0, 1) + 999;
    expect(validityFrom(now, 1, 0)).toEqual({ notBefore: Date.UTC(2026, 0, 1), notAfter: Date.UTC(2026, 0, 1) });
  });
});

describe('renewal', () => {
  const validity = { notBefore: 1_000_000, notAfter: 2_000_000 };

  it.each([
    [0, 1_400_000],
    [0.5, 1_500_000],
    [0.999_999, 1_600_000],
  ])('with random %d is due at %d', (random, due) => {
    expect(Math.abs(renewalTime(validity, random) - due)).toBeLessThan(2);
  });
});
