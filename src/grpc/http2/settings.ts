// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';
import { encodeFrame, FRAME } from './frame.ts';
import { MAX_HEADER_BYTES } from './header-blocks.ts';
import { MAX_WINDOW } from './stream.ts';

/** Settings (RFC 9113, section 6.5.2). */
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;
const SETTING_BYTES = 6;

/** What this end tells of itself. */
export function encodeSettings(maxStreams: number): Buffer {
  const payload = Buffer.alloc(2 * SETTING_BYTES);
  payload.writeUInt16BE(MAX_CONCURRENT_STREAMS, 0);
  payload.writeUInt32BE(maxStreams, 2);
  payload.writeUInt16BE(MAX_HEADER_LIST_SIZE, 6);
  payload.writeUInt32BE(MAX_HEADER_BYTES, 8);
  return encodeFrame(FRAME.settings, 0, 0, payload);
}

/**
 * What a client says that matters here: how much of each stream it takes at first; undefined where it does not say. Larger
 * frames, tables and pushed streams are never made use of. Throws ConnectionError for values that may not be.
 */
export function clientSettings(payload: Buffer): { readonly initialWindow: number | undefined } {
  if (payload.length % SETTING_BYTES !== 0) throw new ConnectionError(CODE.frameSize, 'expected whole settings');
  let initialWindow: number | undefined;
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = payload.readUInt32BE(at + 2);
    switch (payload.readUInt16BE(at)) {
      case ENABLE_PUSH:
        if (value > 1) throw bad('0 or 1 for pushed streams', value);
        break;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) throw bad('a window of less than 2^31', value, CODE.flowControl);
        initialWindow = value;
        break;
      case MAX_FRAME_SIZE:
        if (value < 16_384 || value > 16_777_215) throw bad('a frame size of 2^14 to 2^24-1', value);
        break;
    }
  }
  return { initialWindow };
}

function bad(expected: string, found: number, code: number = CODE.protocol): ConnectionError {
  return new ConnectionError(code, `settings: expected ${expected}, found ${found}`);
}
