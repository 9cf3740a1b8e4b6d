// SPDX-License-Identifier: Apache-2.0
import type { Dice } from '../dice.ts';
import { mutateOctets } from './octets.ts';

/** An element of a DER structure: its contents, or the elements inside. */
interface Element {
  readonly tag: number;
  readonly inner: Buffer | readonly Element[];
}

const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x82, 0x86, 0xa0, 0xa1, 0xa3,
];

/**
 * Changes elements of a DER structure and writes the lengths anew, so that what is wrong lies deep inside; now and then
 * a length is written in a form that DER forbids. Octets that are no DER are changed as octets.
 */
export function mutateDer(octets: Buffer, dice: Dice, others: readonly Buffer[] = []): Buffer {
  const elements = dice.oneIn(4) ? undefined : elementsOf(octets);
  if (!elements) return mutateOctets(octets, dice, others);
  let changed = elements;
  for (let count = 1 + dice.below(3); count > 0; count--) changed = changeOne(changed, dice);
  return Buffer.concat(changed.map((element) => encode(element, dice)));
}

function elementsOf(octets: Buffer): readonly Element[] | undefined {
  const found: Element[] = [];
  for (let at = 0; at < octets.length;) {
    const [tag, first] = [octets[at] ?? 0, octets[at + 1] ?? 0];
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (more > 3 || at + 2 + more > octets.length) return undefined;
    const length = more === 0 ? first : octets.readUIntBE(at + 2, more);
    const start = at + 2 + more;
    if (start + length > octets.length) return undefined;
    const contents = octets.subarray(start, start + length);
    const inside = tag & 0x20 || tag === 0x04 ? elementsOf(contents) : undefined;
    found.push({ tag, inner: inside && inside.length > 0 ? inside : contents });
    at = start + length;
  }
  return found;
}

function changeOne(elements: readonly Element[], dice: Dice): readonly Element[] {
  if (elements.length === 0) return [{ tag: dice.pick(TAGS), inner: Buffer.alloc(dice.below(4)) }];
  const at = dice.below(elements.length);
  const element = elements[at] ?? { tag: 0, inner: Buffer.alloc(0) };
  const { tag, inner } = element;
  switch (dice.below(12)) {
    case 0:
      return elements.filter((_, index) => index !== at);
    case 1:
      return [...elements.slice(0, at), element, ...elements.slice(at)];
    case 2:
      return elements.with(at, { tag: dice.pick(TAGS), inner });
    case 3:
      return elements.toReversed();
    case 4:
      return elements.with(at, { tag, inner: [] });
    default:
      return elements.with(at, {
        tag,
        inner: Buffer.isBuffer(inner) ? mutateOctets(inner, dice) : changeOne(inner, dice),
      });
  }
}

function encode({ tag, inner }: Element, dice: Dice): Buffer {
  const contents = Buffer.isBuffer(inner) ? inner : Buffer.concat(inner.map((each) => encode(each, dice)));
  return Buffer.concat([Buffer.of(tag), lengthOf(contents.length, dice), contents]);
}

function lengthOf(length: number, dice: Dice): Buffer {
  if (dice.oneIn(200)) return dice.pick([Buffer.of(0x80), Buffer.of(0xff), Buffer.of(0x84, 0, 0, 0, length & 0x7f)]);
  if (length < 0x80) return Buffer.of(length);
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, (length >> 8) & 0xff, length & 0xff);
}
