// SPDX-License-Identifier: Apache-2.0

/** A small generator of repeatable random numbers (xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];

/** Octets with a few random changes: flipped, set to an edge, cut, grown, or a 16-bit length replaced. */
export function mutate(octets: Buffer, dice: Dice): Buffer {
  let changed: Buffer = Buffer.from(octets);
  for (let count = 1 + dice.below(3); count > 0; count--) changed = once(changed, dice);
  return changed;
}

function once(octets: Buffer, dice: Dice): Buffer {
  if (octets.length === 0) return Buffer.of(dice.below(256));
  const at = dice.below(octets.length);
  switch (dice.below(6)) {
    case 0:
      octets[at] = octets[at]! ^ (1 << dice.below(8));
      return octets;
    case 1:
      octets[at] = EDGES[dice.below(EDGES.length)]!;
      return octets;
    case 2:
      return octets.subarray(0, at);
    case 3:
      return Buffer.concat([octets, Buffer.alloc(1 + dice.below(40), dice.below(256))]);
    case 4:
      return Buffer.concat([octets.subarray(0, at), octets.subarray(Math.min(octets.length, at + 1 + dice.below(8)))]);
    default:
      if (at + 2 <= octets.length) octets.writeUInt16BE(dice.below(0x10000), at);
      return octets;
  }
}
