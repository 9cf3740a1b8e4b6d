// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';
import { FLAG, FRAME, unpadded, type Frame } from './frame.ts';
import { HeaderDecoder } from './header-decoder.ts';
import type { Field } from './static-table.ts';

/** The most that the headers of a request may come to, octets (SETTINGS_MAX_HEADER_LIST_SIZE). */
export const MAX_HEADER_BYTES = 16_384;
/** The most that is held of a block before it is read: it has to be, for those after it to be understood. */
const MAX_BLOCK_BYTES = 65_536;

/** A block of headers, or of trailers. */
export interface HeaderBlock {
  readonly stream: number;
  /** Undefined where they are longer than `MAX_HEADER_BYTES`. */
  readonly fields: readonly Field[] | undefined;
  readonly endsStream: boolean;
}

interface Open {
  readonly stream: number;
  readonly endsStream: boolean;
  readonly parts: Buffer[];
  bytes: number;
}

/** Puts the header blocks of a connection together from HEADERS and CONTINUATION (RFC 9113, section 4.3), and reads them. */
export class HeaderBlocks {
  readonly #decoder = new HeaderDecoder();
  #open: Open | undefined;

  /** Whether a block has begun, and nothing but its continuation may follow. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** The block that a frame completes. Throws ConnectionError. */
  take(frame: Frame): HeaderBlock | undefined {
    const { type, stream, flags } = frame;
    const isFirst = type === FRAME.headers;
    const part = isFirst ? unpadded(frame) : frame.payload;
    this.#open ??= isFirst ? { stream, endsStream: (flags & FLAG.endStream) !== 0, parts: [], bytes: 0 } : undefined;
    const open = this.#open;
    if (open?.stream !== stream) throw new ConnectionError(CODE.protocol, 'expected the continuation of a block');
    // Counted with what each takes when it is kept: parts may be empty.
    open.bytes += part.length + 32;
    if (open.bytes > MAX_BLOCK_BYTES) {
      throw new ConnectionError(CODE.enhanceYourCalm, `expected a header block of at most ${MAX_BLOCK_BYTES} octets`);
    }
    open.parts.push(part);
    if ((flags & FLAG.endHeaders) === 0) return undefined;
    this.#open = undefined;
    const block = open.parts.length === 1 ? part : Buffer.concat(open.parts);
    return { stream, fields: this.#decoder.decode(block, MAX_HEADER_BYTES), endsStream: open.endsStream };
  }
}
