// SPDX-License-Identifier: Apache-2.0
import type { Dice } from '../dice.ts';
import { mutateOctets } from './octets.ts';

/** A field on the wire (https://protobuf.dev/programming-guides/encoding): number, wire type, and its octets. */
interface Field {
  readonly number: number;
  readonly type: number;
  readonly value: Buffer;
}

/** Changes fields of a protobuf message, also of messages inside, with right lengths; or its octets. */
export function mutateProtobuf(octets: Buffer, dice: Dice, depth = 0): Buffer {
  const fields = dice.oneIn(3) ? undefined : fieldsOf(octets);
  if (!fields || fields.length === 0) return mutateOctets(octets, dice);
  const at = dice.below(fields.length);
  const field = fields[at] ?? { number: 1, type: 0, value: Buffer.of(0) };
  return Buffer.concat(changed(fields, { at, field }, dice, depth).map(encode));
}

function changed(
  fields: readonly Field[],
  { at, field }: { at: number; field: Field },
  dice: Dice,
  depth: number,
): readonly Field[] {
  switch (dice.below(8)) {
    case 0:
      return fields.filter((_, index) => index !== at);
    case 1:
      return [...fields, field];
    case 2:
      return fields.with(at, { ...field, number: dice.pick([0, 1, 2, 15, 16, 2047, 536870911]) });
    case 3:
      return fields.with(at, { ...field, type: dice.below(8) });
    case 4:
      return [...fields, { number: 1 + dice.below(20), type: 0, value: Buffer.alloc(1 + dice.below(11), 0xff) }];
    default: {
      const nested = field.type === 2 && depth < 6;
      return fields.with(at, {
        ...field,
        value: nested ? mutateProtobuf(field.value, dice, depth + 1) : mutateOctets(field.value, dice),
      });
    }
  }
}

function fieldsOf(octets: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < octets.length;) {
    const key = varint(octets, at);
    if (!key) return undefined;
    const [number, type] = [key.value >>> 3, key.value & 7];
    const end = endOfValue(octets, key.end, type);
    if (number === 0 || end === undefined || end.end > octets.length) return undefined;
    fields.push({ number, type, value: octets.subarray(end.start, end.end) });
    at = end.end;
  }
  return fields;
}

function endOfValue(octets: Buffer, at: number, type: number): { start: number; end: number } | undefined {
  if (type === 0) {
    const value = varint(octets, at);
    return value && { start: at, end: value.end };
  }
  if (type === 1) return { start: at, end: at + 8 };
  if (type === 5) return { start: at, end: at + 4 };
  const length = type === 2 ? varint(octets, at) : undefined;
  return length && { start: length.end, end: length.end + length.value };
}

function varint(octets: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let count = 0; count < 10 && at + count < octets.length; count++) {
    const octet = octets[at + count] ?? 0;
    if (count < 4) value |= (octet & 0x7f) << (7 * count);
    if (octet < 0x80) return { value, end: at + count + 1 };
  }
  return undefined;
}

function encode({ number, type, value }: Field): Buffer {
  const key = encodeVarint(number * 8 + type);
  return type === 2 ? Buffer.concat([key, encodeVarint(value.length), value]) : Buffer.concat([key, value]);
}

function encodeVarint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) octets.push((rest % 128) | 0x80);
  return Buffer.from([...octets, rest]);
}
