// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { MessageFrames, messageFrame } from '../../../src/grpc/message-frames.ts';
import { timeoutOf } from '../../../src/grpc/timeout.ts';

describe('the messages of a stream', () => {
  const messages = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 7)];
  const octets = Buffer.concat(messages.map(messageFrame));

  it.each([1, 4, 7, 1000])('are found however the octets come, here %d at a time', (size) => {
    const frames = new MessageFrames(300);
    const found: Buffer[] = [];
    for (let at = 0; at < octets.length; at += size) found.push(...frames.push(octets.subarray(at, at + size)));
    expect(found).toEqual(messages);
    expect(frames.isWhole).toBe(true);
  });

  it('that are too long are refused by their length alone, those within it are not', () => {
    const head = messageFrame(Buffer.alloc(301)).subarray(0, 5);
    expect(() => new MessageFrames(300).push(head)).toThrow(expect.objectContaining({ code: 'Overloaded' }));
    expect(new MessageFrames(301).push(head)).toEqual([]);
  });

  it('that are compressed are refused, since nothing here is', () => {
    const compressed = Buffer.of(1, 0, 0, 0, 0);
    expect(() => new MessageFrames(300).push(compressed)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
  });

  it('are not whole while one is cut off', () => {
    const frames = new MessageFrames(300);
    frames.push(octets.subarray(0, 9));
    expect(frames.isWhole).toBe(false);
  });
});

describe('grpc-timeout', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['40m', 40],
    ['1500u', 2],
    ['1n', 1],
  ])('%s is %d ms', (header, milliseconds) => expect(timeoutOf(header)).toBe(milliseconds));

  it.each([undefined, '', 'S', '1', '1s', '-1S', '123456789S', '99999999H', '1S ', ['1S', '2S']])(
    '%j is no limit that matters',
    (header) => expect(timeoutOf(header)).toBeUndefined(),
  );
});
