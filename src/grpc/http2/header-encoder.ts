// SPDX-License-Identifier: Apache-2.0

/** Names in the static table (RFC 7541, appendix A) that answers have. */
const STATUS = 8;
const STATUS_200 = 0x88;

/** A header block of an answer. Nothing of it enters a table, so that it is the same for every connection. */
export function encodeHeaders(status: number | undefined, fields: Readonly<Record<string, string>>): Buffer {
  const named = Object.entries(fields).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)]));
  return Buffer.concat([...(status === undefined ? [] : [statusField(status)]), ...named]);
}

function statusField(status: number): Buffer {
  return status === 200 ? Buffer.of(STATUS_200) : Buffer.concat([Buffer.of(STATUS), text(String(status))]);
}

/** A string as it is, without Huffman's code (section 5.2). */
function text(value: string): Buffer {
  const octets = Buffer.from(value, 'latin1');
  return Buffer.concat([integer(octets.length), octets]);
}

/** Section 5.1, with seven bits in the first octet. */
function integer(value: number): Buffer {
  if (value < 0x7f) return Buffer.of(value);
  const octets = [0x7f];
  let rest = value - 0x7f;
  for (; rest >= 0x80; rest >>= 7) octets.push((rest & 0x7f) | 0x80);
  return Buffer.of(...octets, rest);
}
