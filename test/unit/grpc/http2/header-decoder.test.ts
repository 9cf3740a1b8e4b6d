// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { CODE } from '../../../../src/grpc/http2/error.ts';
import { HeaderDecoder } from '../../../../src/grpc/http2/header-decoder.ts';
import { encodeHeaders } from '../../../../src/grpc/http2/header-encoder.ts';

const PLENTY = 16_384;
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const read = (...blocks: readonly string[]): unknown => {
  const decoder = new HeaderDecoder();
  return blocks.map((block) => decoder.decode(hex(block), PLENTY)).at(-1);
};

const FIRST = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const THIRD = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
];

/** The examples of RFC 7541, appendix C. */
describe('a header block', () => {
  it.each<[string, string, string[][]]>([
    [
      'C.2.1: a field that is learnt',
      '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      [['custom-key', 'custom-header']],
    ],
    ['C.2.2: a field that is not', '040c 2f73 616d 706c 652f 7061 7468', [[':path', '/sample/path']]],
    ['C.2.3: a field never to be', '1008 7061 7373 776f 7264 0673 6563 7265 74', [['password', 'secret']]],
    ['C.2.4: a field that is known', '82', [[':method', 'GET']]],
  ])('%s', (_, block, fields) => {
    expect(read(block)).toEqual(fields);
  });

  it.each<[string, string[]]>([
    [
      'C.3: without Huffman',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      "C.4: with Huffman's code",
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ])('%s, each builds on those before', (_, blocks) => {
    expect(read(blocks[0]!)).toEqual(FIRST);
    expect(read(...blocks)).toEqual(THIRD);
  });

  it('forgets the oldest fields where the table is full, and all where it is made empty', () => {
    const decoder = new HeaderDecoder();
    const learnt = (name: string): Buffer => Buffer.concat([hex('40'), text(name), text('v'.repeat(1_000))]);
    for (const name of ['a', 'b', 'c']) decoder.decode(learnt(name), PLENTY);
    expect(decoder.decode(hex('c0'), PLENTY)?.[0]?.[0]).toBe('a');
    decoder.decode(learnt('d'), PLENTY);
    expect(decoder.decode(hex('c0'), PLENTY)?.[0]?.[0]).toBe('b');
    decoder.decode(hex('20'), PLENTY);
    expect(() => decoder.decode(hex('be'), PLENTY)).toThrow();
  });

  it('that is longer than it may be gives nothing, and the next is read all the same', () => {
    const decoder = new HeaderDecoder();
    expect(decoder.decode(hex('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), 40)).toBeUndefined();
    expect(decoder.decode(hex('be'), PLENTY)).toEqual([['custom-key', 'custom-header']]);
  });

  it.each([
    ['a number that stands for no field', 'c8'],
    ['the number 0', '80'],
    ['a string that is cut off', '400a 6375'],
    ['a number that never ends', 'ffff ffff ffff ff'],
    ['the end of a string within it', '0001 6184 ffff ffff'],
    ['a padding of eight bits', '0001 6182 1fff'],
    ['a padding that is not ones', '0001 6181 18'],
    ['a larger table than was agreed on', '3fe2 1f'],
    ['a change of the table behind a field', '8220'],
  ])('with %s is refused', (_, block) => {
    expect(() => read(block)).toThrow(expect.objectContaining({ code: CODE.compression }));
  });

  it('of an answer is read as it was written', () => {
    const fields = { 'content-type': 'application/grpc', 'grpc-message': 'm'.repeat(300), 'x-short': '' };
    const named = Object.entries(fields);
    expect(new HeaderDecoder().decode(encodeHeaders(200, fields), PLENTY)).toEqual([[':status', '200'], ...named]);
    expect(new HeaderDecoder().decode(encodeHeaders(415, {}), PLENTY)).toEqual([[':status', '415']]);
    expect(new HeaderDecoder().decode(encodeHeaders(undefined, fields), PLENTY)).toEqual(named);
  });
});

/** With a length of seven bits and more. */
function text(value: string): Buffer {
  const { length } = value;
  if (length < 127) return Buffer.concat([Buffer.of(length), Buffer.from(value)]);
  const rest = length - 127;
  return Buffer.concat([Buffer.of(127, (rest & 0x7f) | 0x80, rest >> 7), Buffer.from(value)]);
}
