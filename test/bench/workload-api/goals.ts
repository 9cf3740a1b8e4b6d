// SPDX-License-Identifier: Apache-2.0
import type { ScenarioResult, SideResult } from './measure.ts';

/** One line of the bench: what, the figure, and whether it is what was aimed for. */
export type GoalRow = readonly [what: string, figure: string, met: boolean];

/** Calls a second against SPIRE's: by kind, with 1 and with 8 callers. */
const RATIOS: readonly (readonly [kind: string, callers: number, goal: number])[] = [
  ['open', 1, 20],
  ['open', 8, 30],
  ['connection', 1, 10],
  ['connection', 8, 15],
  ['token-new', 1, 10],
  ['token-new', 8, 10],
];
const FIRST_MS = 50;
const P99_MS = 10;
const MEMORY_SHARE = 0.6;

/** How Keystead stands to the goals; those against SPIRE only where it was measured too. */
export function goalRows([keystead, spire]: readonly SideResult[]): GoalRow[] {
  if (!keystead) return [];
  const { firstMs } = keystead;
  const { p99 } = scenarioOf(keystead, 'open', 8);
  const rows: GoalRow[] = [
    [`first identity after process start, p50 (goal <= ${FIRST_MS} ms)`, `${firstMs.p50} ms`, firstMs.p50 <= FIRST_MS],
    [`FetchX509SVID, open client, 8 callers, p99 (goal <= ${P99_MS} ms)`, `${p99} ms`, p99 <= P99_MS],
  ];
  return spire ? [...rows, ...ratioRows(keystead, spire), memoryRow(keystead, spire)] : rows;
}

function ratioRows(keystead: SideResult, spire: SideResult): GoalRow[] {
  return RATIOS.map(([kind, callers, goal]) => {
    const [own, other] = [keystead, spire].map((side) => scenarioOf(side, kind, callers));
    const ratio = own!.perSecond / other!.perSecond;
    const figure = `${ratio.toFixed(1)}x (${Math.round(own!.perSecond)} and ${Math.round(other!.perSecond)} a second)`;
    return [`${kind}, ${callers} callers, calls a second against SPIRE (goal >= ${goal}x)`, figure, ratio >= goal];
  });
}

function memoryRow(keystead: SideResult, spire: SideResult): GoalRow {
  const [own = 0, other = 0] = [keystead.memory['total'], spire.memory['total']];
  const share = own / other;
  const figure = `${Math.round(share * 100)} % (${own} and ${other} MB)`;
  return [`memory (PSS) against SPIRE's server and agent (goal <= 60 %)`, figure, share <= MEMORY_SHARE];
}

function scenarioOf(side: SideResult, kind: string, callers: number): ScenarioResult {
  return side.scenarios.find((each) => each.kind === kind && each.callers === callers)!;
}

/** All figures as a table in Markdown. */
export function table(sides: readonly SideResult[]): string {
  const heads = sides.flatMap(({ name }) => [`${name}: calls/s`, 'p50 / p99 ms', 'CPU ms per 1,000']);
  const lines = (sides[0]?.scenarios ?? []).map(({ what, callers }, row) => {
    const cells = sides.flatMap(({ scenarios }) => {
      const { perSecond, p50, p99, processorMsPer1000 } = scenarios[row]!;
      return [Math.round(perSecond), `${p50} / ${p99}`, Math.round(processorMsPer1000)];
    });
    return `| ${[`${what}, ${callers}`, ...cells].join(' | ')} |`;
  });
  return [`| what, callers | ${heads.join(' | ')} |`, `|${' --- |'.repeat(heads.length + 1)}`, ...lines].join('\n');
}
