// SPDX-License-Identifier: Apache-2.0
import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from './port.ts';

/** Prints rows under their headings, as wide as they need to be. Cells may be styled. */
export function printTable(
  terminal: Terminal,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)))
      .join('   ')
      .trimEnd();
  terminal.out(terminal.style('bold', line(headings)));
  for (const row of rows) terminal.out(line(row));
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
