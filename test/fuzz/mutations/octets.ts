// SPDX-License-Identifier: Apache-2.0
import type { Dice } from '../dice.ts';

const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];
const WIDE_EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];

/** Octets with one to four random changes; `others` are samples to take pieces from. */
export function mutateOctets(octets: Buffer, dice: Dice, others: readonly Buffer[] = []): Buffer {
  let changed: Buffer = Buffer.from(octets);
  for (let count = 1 + dice.below(4); count > 0; count--) changed = once(changed, dice, others);
  return changed;
}

type Change = (octets: Buffer, at: number, dice: Dice) => Buffer;

const CHANGES: readonly Change[] = [
  (octets, at, dice) => set(octets, at, (octets[at] ?? 0) ^ (1 << dice.below(8))),
  (octets, at, dice) => set(octets, at, dice.pick(EDGES)),
  (octets, at, dice) => set(octets, at, dice.below(256)),
  (octets, at) => octets.subarray(0, at),
  (octets, at) => octets.subarray(at),
  (octets, _, dice) => Buffer.concat([octets, Buffer.alloc(1 + dice.below(40), dice.below(256))]),
  (octets, at, dice) => Buffer.concat([octets.subarray(0, at), octets.subarray(at + 1 + dice.below(16))]),
  (octets, at, dice) => {
    const piece = octets.subarray(at, at + 1 + dice.below(64));
    return Buffer.concat([
      octets.subarray(0, at),
      ...Array<Buffer>(1 + dice.below(3)).fill(piece),
      octets.subarray(at),
    ]);
  },
  (octets, at, dice) => writeNumber(octets, at, dice),
  (octets, at, dice) => writeNumber(octets, at, dice),
];

function once(octets: Buffer, dice: Dice, others: readonly Buffer[]): Buffer {
  if (octets.length === 0) return Buffer.of(dice.below(256));
  const at = dice.below(octets.length);
  if (others.length > 0 && dice.oneIn(12)) {
    const other = dice.pick(others);
    return Buffer.concat([octets.subarray(0, at), other.subarray(dice.below(other.length + 1))]);
  }
  return dice.pick(CHANGES)(octets, at, dice);
}

function set(octets: Buffer, at: number, value: number): Buffer {
  octets[at] = value;
  return octets;
}

/** Lengths and counts are 16 or 32 bits wide in all formats that are read here. */
function writeNumber(octets: Buffer, at: number, dice: Dice): Buffer {
  const value = dice.oneIn(3) ? dice.below(0x10000) : dice.pick(WIDE_EDGES);
  const width = dice.pick([2, 4]);
  if (at + width > octets.length) return octets;
  const fitting = width === 2 ? value & 0xffff : value;
  if (dice.oneIn(3)) octets.writeUIntLE(fitting, at, width);
  else octets.writeUIntBE(fitting, at, width);
  return octets;
}
