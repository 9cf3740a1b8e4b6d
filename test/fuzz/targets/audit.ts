// SPDX-License-Identifier: Apache-2.0
import { encodeRecord, ORIGIN, parseRecord, type Link } from '../../../src/audit/record.ts';
import { verify } from '../../../src/audit/verify.ts';
import type { Dice } from '../dice.ts';
import { mutateOctets } from '../mutations/octets.ts';
import { must, target, type Target } from '../target.ts';

const NOON = Date.UTC(2026, 10, 22, 12);

/** Two files of one log, as rotation leaves them, and the head that the notary told. */
function sampleLog(): { files: readonly Buffer[]; head: string } {
  let link: Link = ORIGIN;
  const files = [4, 5].map((uses) => {
    const first = link.seq + 1;
    const lines: string[] = [];
    const add = (event: 'FileOpened' | 'KeyUse', fields: Record<string, unknown>): void => {
      const record = encodeRecord(link, { event, time: NOON + link.seq, fields: JSON.stringify(fields) });
      lines.push(record.line);
      ({ link } = record);
    };
    add('FileOpened', { version: '1.2.3', keptFrom: Math.min(first, 1) });
    for (let use = 0; use < uses; use++)
      add('KeyUse', { operation: 'issue', result: 'Issued', module: 'factory/präge', use });
    return Buffer.from(lines.join(''));
  });
  return { files, head: link.hash };
}

const { files, head } = sampleLog();
const whole = Buffer.concat(files);
const records: readonly Buffer[] = whole
  .toString()
  .split('\n')
  .filter(Boolean)
  .map((line) => Buffer.from(line));

const findings = (changed: readonly Buffer[]): readonly unknown[] =>
  verify(
    changed.map((content, index) => ({ path: `audit-${index}.jsonl`, content })),
    { head, whole: true },
  ).findings;

/** Exactly the unchanged log is without a finding. An added newline at the very end changes no record and loses none. */
function detected(changed: readonly Buffer[]): boolean {
  const found = findings(changed).length > 0;
  const isWhole = Buffer.concat(changed).equals(whole);
  must(isWhole ? !found : found, isWhole ? 'an unchanged log is sound' : 'a changed log is found out');
  return !found;
}

function swapLines(content: Buffer, dice: Dice): Buffer {
  const lines = content.toString('latin1').split('\n').slice(0, -1);
  const at = dice.below(lines.length);
  const moved = lines[at] ?? '';
  const rest = lines.filter((_, index) => index !== at);
  const other = dice.below(rest.length + 1);
  const result = dice.pick([rest, rest.toSpliced(other, 0, moved), [...lines, moved]]);
  return Buffer.from(`${result.join('\n')}\n`, 'latin1');
}

type Log = readonly Buffer[];

function mutateLog(log: Log, dice: Dice): Log {
  const at = dice.below(log.length);
  const file = log[at] ?? Buffer.alloc(0);
  const changed = dice.oneIn(4) ? swapLines(file, dice) : mutateOctets(file, dice, files);
  if (dice.oneIn(12)) return log.filter((_, index) => index !== at);
  if (dice.oneIn(12)) return log.toReversed();
  return log.map((each, index) => (index === at ? changed : each));
}

/** Every byte of the log, cut off there, taken out, doubled, or changed: by the input's number, so that all get their turn. */
function placeOf({ index }: Dice): Log {
  const [kind, at] = [index % 4, Math.floor(index / 4) % whole.length];
  const [before, after] = [whole.subarray(0, at), whole.subarray(at)];
  const octet: Buffer = Buffer.of((whole[at] ?? 0) ^ (1 << (at % 7)));
  const pieces: readonly (readonly Buffer[])[] = [
    [before],
    [before, after.subarray(1)],
    [before, after.subarray(0, 1), after],
    [before, octet, after.subarray(1)],
  ];
  const changed = Buffer.concat(pieces[kind] ?? []);
  return [changed];
}

export const AUDIT_TARGETS: readonly Target[] = [
  target({ name: 'audit-log', weight: 0.7, corpus: [files as Log], mutate: mutateLog, read: detected }),
  target({
    name: 'audit-each-byte',
    weight: 0.2,
    corpus: [[whole] as Log],
    mutate: (_, dice) => placeOf(dice),
    read: detected,
    outcome: 'refuses',
    atLeast: 4 * whole.length,
  }),
  target({
    name: 'audit-record',
    weight: 3,
    corpus: records,
    mutate: (line, dice) => mutateOctets(line, dice, records),
    read: (line) => parseRecord(line) !== undefined,
  }),
];
