// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { sequence } from '../../../src/issue/der.ts';
import { isCa, readCertificate, subjectAltNames } from '../../../src/issue/certificate-reader.ts';
import { sampleChain } from './samples.ts';

/** Everything that the notary and the agent look at in a certificate. */
function lookInto(der: Buffer): void {
  const certificate = readCertificate(der);
  subjectAltNames(certificate);
  isCa(certificate);
}

describe('reading back a certificate', () => {
  const { leaf } = sampleChain();

  it('takes one that was built here', () => expect(() => lookInto(leaf)).not.toThrow());

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['bytes behind it', Buffer.concat([leaf, Buffer.of(0)])],
    ['a cut end', leaf.subarray(0, -1)],
    ['an empty SEQUENCE', sequence()],
    ['an indefinite length', Buffer.from('3080020101a0000000', 'hex')],
    ['a padded length', Buffer.concat([Buffer.of(0x30, 0x83, 0), leaf.subarray(2)])],
  ])('refuses %s', (_, der) => {
    expect(() => lookInto(der)).toThrow(KeysteadError);
  });

  it('answers every changed byte with a KeysteadError or a certificate, never with anything else', () => {
    for (let round = 0; round < 20_000; round++) {
      const changed = Buffer.from(leaf);
      for (let changes = randomInt(1, 4); changes > 0; changes--) changed[randomInt(changed.length)] = randomInt(256);
      expectKeysteadErrorOrNone(changed.subarray(0, randomInt(10) === 0 ? randomInt(changed.length) : undefined));
    }
  });

  it('answers random bytes with a KeysteadError', () => {
    for (let round = 0; round < 5_000; round++) expectKeysteadErrorOrNone(randomBytes(randomInt(200)));
  });
});

function expectKeysteadErrorOrNone(der: Buffer): void {
  try {
    lookInto(der);
  } catch (thrown) {
    if (!(thrown instanceof KeysteadError)) throw new Error(`${String(thrown)} for ${der.toString('hex')}`);
  }
}
