// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { IdleFrames } from '../../../../src/grpc/http2/idle-frames.ts';

/** More than a connection may send in a second. */
const MANY = 30_000;

describe('frames that carry nothing', () => {
  it('end a connection that sends too many', () => {
    const frames = new IdleFrames();
    const send = (): void => {
      for (let sent = 0; sent < MANY; sent++) frames.count();
    };
    expect(send).toThrow(/expected at most 20000 empty frames a second/);
  });

  it('do not where each belongs to a call that was answered, however many there are', () => {
    const frames = new IdleFrames();
    const call = (): void => {
      frames.answered();
      // The ping of gRPC's clients, and the end of a stream of which they read one message.
      frames.count();
      frames.count();
    };
    expect(() => {
      for (let called = 0; called < MANY; called++) call();
    }).not.toThrow();
  });

  it('are not saved up by answers', () => {
    const frames = new IdleFrames();
    for (let answered = 0; answered < MANY; answered++) frames.answered();
    expect(() => {
      for (let sent = 0; sent < MANY; sent++) frames.count();
    }).toThrow(/empty frames/);
  });
});
