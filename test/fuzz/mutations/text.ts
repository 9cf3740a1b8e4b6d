// SPDX-License-Identifier: Apache-2.0
import type { Dice } from '../dice.ts';

/** Characters and words that parsers have stumbled over. */
const ODD = [
  '\0',
  '\n',
  '\r\n',
  '\t',
  ' ',
  '  ',
  '/',
  '//',
  '/../',
  '/./',
  '\\',
  '%',
  '%00',
  '%2f',
  '%zz',
  '"',
  "'",
  ':',
  ';',
  '?',
  '&',
  '=',
  ',',
  '@',
  '#',
  '-',
  '--',
  '.',
  '..',
  '*',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '0',
  '-1',
  '00',
  '1e9',
  '0x10',
  '18446744073709551616',
  'NaN',
  'Infinity',
  '__proto__',
  'constructor',
  'é',
  'İ',
  'ｆ',
  '\u202e',
  '\ud800',
  '\ufeff',
  '😀',
];
const LONG = 5_000;

/** A text with one to four random changes; `words` are pieces of the format at hand, `others` samples to take from. */
export function mutateText(
  text: string,
  dice: Dice,
  words: readonly string[] = [],
  others: readonly string[] = [],
): string {
  let changed = text;
  for (let count = 1 + dice.below(4); count > 0; count--) changed = once(changed, dice, [words, others]);
  return changed;
}

function once(text: string, dice: Dice, [words, others]: readonly [readonly string[], readonly string[]]): string {
  const at = dice.below(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  switch (dice.below(10)) {
    case 0:
      return before + after.slice(1 + dice.below(8));
    case 1:
      return before;
    case 2:
      return before + String.fromCharCode(dice.oneIn(8) ? dice.below(0x10000) : dice.below(128)) + after.slice(1);
    case 3:
      return before + after.slice(0, 1 + dice.below(40)).repeat(1 + dice.below(4)) + after;
    case 4:
      return others.length > 0 ? before + dice.pick(others).slice(dice.below(40)) : after;
    case 5:
      // Long repetitions find expressions that go back and forth.
      return dice.oneIn(20) ? before + (after.slice(0, 1 + dice.below(3)) || 'a').repeat(LONG) + after : after + before;
    case 6:
    case 7:
      return words.length > 0 ? before + dice.pick(words) + after : before + dice.pick(ODD) + after;
    default:
      return before + dice.pick(ODD) + after;
  }
}
