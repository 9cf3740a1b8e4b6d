// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { encodeMux, encodeTtrpc, MAX_MESSAGE_BYTES, MuxReader, TtrpcReader } from '../../../src/runtime/nri/frames.ts';

const text = (value: Uint8Array): string => Buffer.from(value).toString();

describe('NRI framing', () => {
  it('is read however the bytes arrive', () => {
    const stream = Buffer.concat([encodeMux(1, Buffer.from('first')), encodeMux(2, Buffer.from('second'))]);
    for (const size of [1, 2, 3, 7, 13, stream.length]) {
      const reader = new MuxReader();
      const frames = [];
      for (let at = 0; at < stream.length; at += size) frames.push(...reader.push(stream.subarray(at, at + size)));
      expect(frames.map(({ connection, payload }) => [connection, text(payload)])).toEqual([
        [1, 'first'],
        [2, 'second'],
      ]);
    }
  });

  it('splits what the runtime could not take in one frame', () => {
    const sent = Buffer.alloc(10_000, 7);
    const frames = new MuxReader().push(encodeMux(1, sent));
    expect(frames.map(({ payload }) => payload.length)).toEqual([4096, 4096, 1808]);
    expect(Buffer.concat(frames.map(({ payload }) => payload))).toEqual(sent);
  });

  it('takes a frame without payload', () => {
    const empty = Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]);
    expect(new MuxReader().push(empty)).toEqual([{ connection: 1, payload: Buffer.alloc(0) }]);
  });

  it('refuses an oversized frame by its header alone', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(MAX_MESSAGE_BYTES + 11, 4);
    expect(() => new MuxReader().push(header)).toThrow(/at most/);
  });
});

describe('ttrpc framing', () => {
  it('has the header that the runtime expects', () => {
    expect(encodeTtrpc(5, 'request', Buffer.from('xy')).toString('hex')).toBe(
      '00000002' + '00000005' + '01' + '01' + '7879',
    );
    expect(encodeTtrpc(5, 'response', Buffer.from('')).toString('hex')).toBe('00000000' + '00000005' + '02' + '00');
  });

  it('is read across pieces, and tells unknown kinds apart', () => {
    const data = encodeTtrpc(3, 'request', Buffer.from('data'));
    data.writeUInt8(3, 8);
    const stream = Buffer.concat([
      encodeTtrpc(1, 'request', Buffer.from('a')),
      data,
      encodeTtrpc(2, 'response', Buffer.from('b')),
    ]);
    const reader = new TtrpcReader();
    const messages = [...stream].flatMap((byte) => reader.push(Buffer.from([byte])));
    expect(messages.map(({ stream, type, payload }) => [stream, type, text(payload)])).toEqual([
      [1, 'request', 'a'],
      [3, 'other', 'data'],
      [2, 'response', 'b'],
    ]);
  });

  it('refuses an oversized message', () => {
    const header = Buffer.alloc(10);
    header.writeUInt32BE(MAX_MESSAGE_BYTES + 1, 0);
    expect(() => new TtrpcReader().push(header)).toThrow(/at most/);
  });
});
