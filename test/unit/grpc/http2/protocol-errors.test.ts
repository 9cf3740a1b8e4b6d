// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CODE } from '../../../../src/grpc/http2/error.ts';
import {
  END_HEADERS,
  END_STREAM,
  field,
  FRAME,
  frame,
  PREFACE,
  settings,
} from '../../../integration/workload/http2-frames.ts';
import { headers, Http2Stand, number, request } from './stand.ts';

let stand: Http2Stand;
beforeEach(async () => {
  stand = new Http2Stand();
  await stand.open();
});
afterEach(() => stand.close());

/** All frames until the connection is closed, or one of these types has come. */
async function answers(
  sent: readonly Buffer[],
  until: readonly number[],
): Promise<{ type: number; payload: Buffer }[]> {
  const socket = stand.connect();
  socket.write(Buffer.concat([PREFACE, settings(), ...sent]));
  const found: { type: number; payload: Buffer }[] = [];
  let octets = Buffer.alloc(0);
  for await (const chunk of socket) {
    octets = Buffer.concat([octets, chunk as Buffer]);
    while (octets.length >= 9 && octets.length >= 9 + octets.readUIntBE(0, 3)) {
      const end = 9 + octets.readUIntBE(0, 3);
      found.push({ type: octets.readUInt8(3), payload: octets.subarray(9, end) });
      octets = octets.subarray(end);
    }
    if (found.some(({ type }) => until.includes(type))) break;
  }
  return found;
}

/** Leaves each request open. */
const keep = (): void => undefined;
const WHOLE = END_HEADERS | END_STREAM;
/** RFC 9113: what ends the connection, by the error that it is told. */
describe('a client that sends', () => {
  it('what it may, is answered, which is the control of the others', async () => {
    const found = await answers([request(1, WHOLE)], [FRAME.goAway, FRAME.reset, FRAME.headers]);
    expect(found.map(({ type }) => type)).toEqual([
      FRAME.settings,
      FRAME.settings,
      FRAME.headers,
      FRAME.data,
      FRAME.headers,
    ]);
  });

  it.each<[string, Buffer[], keyof typeof CODE]>([
    ['data for a stream that has not begun', [frame(FRAME.data, 0, 1)], 'protocol'],
    ['data for the connection', [frame(FRAME.data, 0, 0)], 'protocol'],
    ['headers for the connection', [request(0)], 'protocol'],
    ['headers for a stream of the server', [request(2)], 'protocol'],
    ['an end of a stream that has not begun', [frame(FRAME.reset, 0, 3, Buffer.alloc(4))], 'protocol'],
    ['a stream with a number before the last', [request(5), request(3)], 'streamClosed'],
    ['a continuation of nothing', [frame(FRAME.continuation, END_HEADERS, 1, headers)], 'protocol'],
    ['something else within a header block', [request(1, 0), frame(FRAME.ping, 0, 0, Buffer.alloc(8))], 'protocol'],
    ['a continuation of another block', [request(1, 0), frame(FRAME.continuation, 4, 3)], 'protocol'],
    ['a pushed stream', [frame(5, END_HEADERS, 1, Buffer.alloc(4))], 'protocol'],
    ['a header block that cannot be read', [request(1, WHOLE, Buffer.of(0xff, 0xff, 0xff))], 'compression'],
    ['more padding than payload', [request(1, END_HEADERS | 8, Buffer.of(200, 0))], 'protocol'],
    ['a frame that is too long', [frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], 'frameSize'],
    ['a ping of seven octets', [frame(FRAME.ping, 0, 0, Buffer.alloc(7))], 'frameSize'],
    ['a ping of a stream', [frame(FRAME.ping, 0, 1, Buffer.alloc(8))], 'protocol'],
    ['settings of five octets', [frame(FRAME.settings, 0, 0, Buffer.alloc(5))], 'frameSize'],
    ['settings of a stream', [frame(FRAME.settings, 0, 1)], 'protocol'],
    ['an acknowledgement with settings in it', [frame(FRAME.settings, 1, 0, Buffer.alloc(6))], 'frameSize'],
    ['a window of 2^31', [settings({ 4: 2 ** 31 })], 'flowControl'],
    ['a frame size that is too small', [settings({ 5: 100 })], 'protocol'],
    ['a window that does not grow', [frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(4))], 'protocol'],
    ['a window that grows too large', [frame(FRAME.windowUpdate, 0, 0, number(2 ** 31 - 1))], 'flowControl'],
    [
      'a window of a stream that settings make too large',
      [request(1), frame(FRAME.windowUpdate, 0, 1, number(2 ** 31 - 65_536)), settings({ 4: 65_536 })],
      'flowControl',
    ],
    [
      'a header block without end',
      [request(1, 0), ...Array.from({ length: 40 }, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(16_000)))],
      'enhanceYourCalm',
    ],
    [
      'a header block in pieces of nothing, without end',
      [request(1, 0), ...Array.from({ length: 3_000 }, () => frame(FRAME.continuation, 0, 1))],
      'enhanceYourCalm',
    ],
  ])('%s, ends its connection', async (_, sent, code) => {
    stand.serve = keep;
    const found = await answers(sent, [FRAME.goAway]);
    expect(found.at(-1)?.type).toBe(FRAME.goAway);
    expect(found.at(-1)?.payload.readUInt32BE(4)).toBe(CODE[code]);
  });

  it('something else first, is told so', async () => {
    const socket = stand.connect();
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const octets: Buffer[] = [];
    for await (const chunk of socket) octets.push(chunk as Buffer);
    expect(Buffer.concat(octets).subarray(-80).includes(Buffer.from('expected the greeting'))).toBe(true);
  });

  it.each<[string, Buffer[], keyof typeof CODE]>([
    ['more streams than it may', [1, 3, 5, 7, 9].map((id) => request(id)), 'refusedStream'],
    ['a name in upper case', [request(1, WHOLE, Buffer.concat([headers, field('X-Upper', 'a')]))], 'protocol'],
    [
      'a header of the connection',
      [request(1, WHOLE, Buffer.concat([headers, field('connection', 'close')]))],
      'protocol',
    ],
    ['a line end in a header', [request(1, WHOLE, Buffer.concat([headers, field('a', 'b\r\nc: d')]))], 'protocol'],
    ['the method twice', [request(1, WHOLE, Buffer.concat([Buffer.of(0x83), headers]))], 'protocol'],
    ['the method behind another header', [request(1, WHOLE, Buffer.concat([field('a', 'b'), headers]))], 'protocol'],
    ['a status', [request(1, WHOLE, Buffer.concat([Buffer.of(0x88), headers]))], 'protocol'],
    ['no path', [request(1, WHOLE, Buffer.of(0x83, 0x86))], 'protocol'],
    ['headers within the body', [request(1), request(1)], 'protocol'],
    ['less than it announced', [request(1, WHOLE, Buffer.concat([headers, field('content-length', '1')]))], 'protocol'],
    [
      'nonsense of the length',
      [request(1, WHOLE, Buffer.concat([headers, field('content-length', '-1')]))],
      'protocol',
    ],
    ['data behind the end', [request(1, WHOLE), frame(FRAME.data, 0, 1)], 'streamClosed'],
    ['a window of its own that does not grow', [request(1), frame(FRAME.windowUpdate, 0, 1, number(0))], 'protocol'],
    [
      'headers that are too long',
      [request(1, WHOLE, Buffer.concat([headers, ...Array.from({ length: 110 }, () => field('a', 'b'.repeat(126)))]))],
      'enhanceYourCalm',
    ],
  ])('%s, loses that stream', async (_, sent, code) => {
    stand.serve = keep;
    const found = await answers(sent, [FRAME.goAway, FRAME.reset]);
    expect(found.at(-1)?.type).toBe(FRAME.reset);
    expect(found.at(-1)?.payload.readUInt32BE(0)).toBe(CODE[code]);
  });

  it('more data than it was allowed, loses the stream or the connection', async () => {
    stand.serve = keep;
    const data = frame(FRAME.data, 0, 1, Buffer.alloc(16_384));
    const found = await answers([request(1), data, data, data, data, data], [FRAME.goAway, FRAME.reset]);
    expect([FRAME.goAway, FRAME.reset]).toContain(found.at(-1)?.type);
  });
});
