// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';

/**
 * RFC 7541, appendix B: the bits of each octet's code, and at last of EOS. The code is canonical: those of one length follow
 * one another in the order of the octets, and those of the next begin behind them, so that lengths say it all.
 */
const LENGTHS = `
13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 6 10 10 12 13 6
8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7
8 13 19 13 14 6 15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 20 22 20 20 22 22 22 23 22
23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 22 21 20 22 22 23 23 21 23 22 22 24 21 22
23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26
27 27 26 27 24 21 21 26 26 28 27 27 27 20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27
27 28 27 27 27 27 27 26 30`
  .trim()
  .split(/\s+/)
  .map(Number);
const EOS = 256;
/** A string ends in fewer bits than an octet, all of them ones: the beginning of EOS. */
const MAX_PADDING = 7;

/** A binary tree as rows of two: another row, or an octet as its complement. */
const TREE = tree();

function tree(): Int16Array {
  const rows = new Int16Array(2 * EOS);
  const coded = LENGTHS.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length);
  let used = 1;
  let code = 0;
  let before = 0;
  for (const { length, symbol } of coded) {
    code <<= length - before;
    before = length;
    let row = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = 2 * row + ((code >> bit) & 1);
      row = rows[at] || (rows[at] = used++);
    }
    rows[2 * row + (code & 1)] = ~symbol;
    code++;
  }
  return rows;
}

/** Decodes a string. Throws ConnectionError, COMPRESSION_ERROR, where it is none. */
export function huffmanDecoded(octets: Buffer): string {
  // No code has fewer than five bits.
  const symbols = Buffer.allocUnsafe(Math.floor((octets.length * 8) / 5) + 1);
  let length = 0;
  let row = 0;
  let pending = 0;
  let onlyOnes = true;
  for (const octet of octets) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = (octet >> bit) & 1;
      const next = TREE[2 * row + one] ?? 0;
      onlyOnes &&= one === 1;
      pending++;
      if (next >= 0) {
        row = next;
        continue;
      }
      if (next === ~EOS) throw bad('the end of the string within it');
      symbols[length++] = ~next;
      row = 0;
      pending = 0;
      onlyOnes = true;
    }
  }
  if (pending > MAX_PADDING || !onlyOnes) throw bad('a padding that is none');
  return symbols.toString('latin1', 0, length);
}

function bad(found: string): ConnectionError {
  return new ConnectionError(CODE.compression, `expected a string in Huffman's code, found ${found}`);
}
