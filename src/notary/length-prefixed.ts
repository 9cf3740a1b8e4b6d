// SPDX-License-Identifier: Apache-2.0

/** Joins parts so that they cannot be taken for others: "a", "bc" and "ab", "c" differ. Lengths have 32 bits. */
export function lengthPrefixed(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}
