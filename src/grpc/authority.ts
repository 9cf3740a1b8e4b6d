// SPDX-License-Identifier: Apache-2.0

const SLASH = 0x2f;
const DOT = 0x2e;
/** Of `:authority` in the static table (RFC 7541, appendix A). */
const AUTHORITY = 1;

interface Read {
  readonly value: number;
  /** Where the next thing begins. */
  readonly end: number;
}

/**
 * Replaces each slash in a literal `:authority` of a header block (RFC 7541, section 6) by a dot, in place and within the
 * same length: both ends' tables go on counting alike. gRPC for Java sends the path of a unix socket there, which no URI's
 * authority may contain (RFC 3986, section 3.2), and for which Node's HTTP/2 refuses the call before anybody can look at it.
 * What cannot be read is left as it is. A value in Huffman's code is too: gRPC for Java never uses it.
 */
export function correctAuthority(block: Buffer): void {
  for (let at = 0; at < block.length;) {
    const prefix = prefixBits(block[at] ?? 0);
    const index = readInteger(block, at, prefix);
    if (!index) return;
    at = index.end;
    // An indexed field, or a change of the table's size, has nothing behind it.
    if (prefix === 7 || prefix === 5) continue;
    const name = index.value === 0 ? readInteger(block, at, 7) : { value: 0, end: at };
    if (!name) return;
    at = name.end + name.value;
    const value = readInteger(block, at, 7);
    if (!value) return;
    const isHuffman = ((block[at] ?? 0) & 0x80) !== 0;
    at = value.end + value.value;
    if (index.value === AUTHORITY && !isHuffman) replaceSlashes(block.subarray(value.end, at));
  }
}

/** Bits of the first octet that are the integer's, by the kind of field (RFC 7541, sections 6.1 to 6.3). */
function prefixBits(first: number): 4 | 5 | 6 | 7 {
  if (first & 0x80) return 7;
  if (first & 0x40) return 6;
  return first & 0x20 ? 5 : 4;
}

/** RFC 7541, section 5.1; undefined where it does not end within the block or is longer than any that is meant. */
function readInteger(block: Buffer, at: number, bits: number): Read | undefined {
  const most = 2 ** bits - 1;
  const first = block[at];
  if (first === undefined) return undefined;
  let value = first & most;
  if (value < most) return { value, end: at + 1 };
  for (let shift = 0; shift <= 14; shift += 7) {
    const next = block[++at];
    if (next === undefined) return undefined;
    value += (next & 0x7f) << shift;
    if ((next & 0x80) === 0) return { value, end: at + 1 };
  }
  return undefined;
}

function replaceSlashes(text: Buffer): void {
  for (let at = text.indexOf(SLASH); at !== -1; at = text.indexOf(SLASH, at + 1)) text[at] = DOT;
}
