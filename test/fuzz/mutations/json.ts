// SPDX-License-Identifier: Apache-2.0
import type { Dice } from '../dice.ts';
import { mutateText } from './text.ts';

const ODD: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1,
  1.5,
  1e21,
  -1e21,
  2 ** 53,
  2 ** 31,
  4294967296,
  '',
  ' ',
  '\0',
  'a'.repeat(70_000),
  [],
  [[]],
  {},
  [null],
  { toString: 1 },
  { length: 3 },
  Array(300).fill('x'),
  Array(300).fill({}),
];

/** A JSON value with one to three random changes in its tree. The sample stays as it is. */
export function mutateJson(value: unknown, dice: Dice): unknown {
  let changed = value;
  for (let count = 1 + dice.below(3); count > 0; count--) changed = change(changed, dice);
  return changed;
}

function change(value: unknown, dice: Dice): unknown {
  const inside = typeof value === 'object' && value !== null && !dice.oneIn(8);
  if (!inside) return replaced(value, dice);
  if (Array.isArray(value)) return changedList(value, dice);
  const entries = Object.entries(value as Record<string, unknown>);
  if (entries.length === 0 || dice.oneIn(12))
    return { ...value, [dice.pick(['x', '__proto__', 'id', 'error'])]: dice.pick(ODD) };
  const at = dice.below(entries.length);
  const [key, inner] = entries[at] ?? ['', undefined];
  const rest = entries.filter((_, index) => index !== at);
  if (dice.oneIn(6)) return Object.fromEntries(rest);
  return Object.fromEntries(entries.with(at, [dice.oneIn(12) ? `${key} ` : key, change(inner, dice)]));
}

function changedList(list: readonly unknown[], dice: Dice): unknown[] {
  if (list.length === 0) return [dice.pick(ODD)];
  const at = dice.below(list.length);
  if (dice.oneIn(5)) return list.filter((_, index) => index !== at);
  if (dice.oneIn(5)) return [...list, ...list];
  return list.with(at, change(list[at], dice));
}

function replaced(value: unknown, dice: Dice): unknown {
  if (typeof value === 'string' && !dice.oneIn(4)) return mutateText(value, dice);
  if (typeof value === 'number' && !dice.oneIn(4)) return value + dice.pick([-1, 1, 0.5, -value, 2 ** 32, 2 ** 53]);
  return dice.pick(ODD);
}
