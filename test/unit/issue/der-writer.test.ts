// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { sequence, TAG, tlv, unsignedInteger } from '../../../src/issue/der.ts';
import { DerWriter } from '../../../src/issue/der-writer.ts';

const written = (write: (writer: DerWriter) => void): Buffer => {
  const writer = new DerWriter();
  write(writer);
  return writer.view();
};

describe('writing DER from the end', () => {
  it.each([0, 1, 127, 128, 255, 256, 20_000])('gives a value of %d octets the header that der.ts gives', (length) => {
    const octets = Buffer.alloc(length, 7);
    const built = written((writer) => {
      writer.bytes(octets);
      writer.wrap(TAG.octetString, 0);
    });
    expect(built).toEqual(tlv(TAG.octetString, octets));
  });

  it.each(['', '00', '0000', '01', '7f', '80', '0080', 'ff00', '00000102'])(
    'writes the integer %p as der.ts',
    (hex) => {
      const magnitude = Buffer.from(hex, 'hex');
      expect(written((writer) => writer.unsignedInteger(magnitude))).toEqual(unsignedInteger(magnitude));
    },
  );

  it('wraps only what was written since', () => {
    const built = written((writer) => {
      writer.latin1('é');
      writer.wrap(TAG.utf8String, 0);
      const end = writer.length;
      writer.latin1('ab');
      writer.wrap(TAG.octetString, end);
      writer.wrap(TAG.sequence, 0);
    });
    expect(built).toEqual(sequence(tlv(TAG.octetString, Buffer.from('ab')), tlv(TAG.utf8String, Buffer.of(0xe9))));
  });

  it('can be used again', () => {
    const writer = new DerWriter();
    writer.latin1('first');
    writer.clear();
    writer.latin1('second');
    expect(writer.view().toString('latin1')).toBe('second');
  });

  it('refuses more than it can hold', () => {
    expect(() => written((writer) => writer.bytes(Buffer.alloc(40_000)))).toThrow('expected at most 32768 octets');
  });
});
