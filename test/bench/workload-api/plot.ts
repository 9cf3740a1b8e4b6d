// SPDX-License-Identifier: Apache-2.0
import type { SideResult } from './measure.ts';

const WIDTH = 860;
const LEFT = 290;
const ROW = 46;
const BAR = 16;
const TOP = 56;
const COLOURS = ['#1f6f8b', '#c9a227'];

/** A bar chart (SVG) of calls a second, on a logarithmic scale from 1; the first side's lead stands behind its bar. */
export function plot(sides: readonly SideResult[]): string {
  const scenarios = sides[0]?.scenarios ?? [];
  const most = Math.max(...sides.flatMap((side) => side.scenarios.map(({ perSecond }) => perSecond)));
  const scale = (WIDTH - LEFT - 110) / Math.log10(most);
  const width = (perSecond: number): number => Math.round(Math.log10(Math.max(perSecond, 1)) * scale);
  const rows = scenarios.flatMap(({ what, callers }, row) => {
    const y = TOP + row * ROW;
    const bars = sides.map(({ scenarios: each }, number) => {
      const { perSecond } = each[row]!;
      const ratio =
        number === 0 && sides[1] ? `  (${Math.round(perSecond / sides[1].scenarios[row]!.perSecond)}x)` : '';
      const top = y + number * (BAR + 2);
      const label = `<text x="${LEFT + width(perSecond) + 6}" y="${top + 12}">${Math.round(perSecond)}${ratio}</text>`;
      return `<rect x="${LEFT}" y="${top}" width="${width(perSecond)}" height="${BAR}" fill="${COLOURS[number]}"/>${label}`;
    });
    return [`<text x="${LEFT - 8}" y="${y + 21}" text-anchor="end">${what}, ${callers}</text>`, ...bars];
  });
  const legend = sides.map(
    ({ name }, number) =>
      `<rect x="${LEFT + number * 110}" y="30" width="12" height="12" fill="${COLOURS[number]}"/><text x="${LEFT + 18 + number * 110}" y="41">${name}</text>`,
  );
  const height = TOP + scenarios.length * ROW + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13" fill="#222">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="8" y="20" font-weight="bold">SPIFFE Workload API: calls a second by number of callers (logarithmic)</text>`,
    ...legend,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
