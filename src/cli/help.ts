// SPDX-License-Identifier: Apache-2.0
import type { Command, OptionTable } from './command.ts';

/** The help of the program: what there is. */
export function programHelp(commands: readonly Command[]): string {
  const rows = commands.map(({ name, operands, summary }) => [[name, operands].filter(Boolean).join(' '), summary]);
  return [
    'keystead looks into an installation of Keystead: what runs, what was attested, and why not.',
    '',
    'Usage: keystead COMMAND [OPTIONS], or kubectl keystead COMMAND [OPTIONS]',
    '',
    ...columns(rows),
    '',
    'keystead COMMAND --help tells more of each.',
  ].join('\n');
}

export function commandHelp({ name, operands, summary, details, options }: Command): string {
  return [
    `${summary}.`,
    '',
    `Usage: keystead ${[name, operands, '[OPTIONS]'].filter(Boolean).join(' ')}`,
    '',
    ...columns(optionRows(options)),
    ...(details === undefined ? [] : ['', details]),
  ].join('\n');
}

function optionRows(options: OptionTable): [string, string][] {
  const rows = Object.entries(options).map(([name, { short, value, help }]): [string, string] => {
    const flag = [short === undefined ? undefined : `-${short}`, `--${name}`].filter(Boolean).join(', ');
    return [[flag, value].filter(Boolean).join(' '), help];
  });
  return [...rows, ['-h, --help', 'print this']];
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([left = '']) => left.length));
  return rows.map(([left = '', right = '']) => `  ${left.padEnd(width)}  ${right}`);
}
