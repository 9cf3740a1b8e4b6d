// SPDX-License-Identifier: Apache-2.0
import { EXIT, JSON_OPTION, text, UsageError, type Command, type Exit } from './command.ts';
import type { Style, Terminal, Verification } from './port.ts';

/** Where the notary keeps its log on a node, unless the chart was told otherwise. */
export const DEFAULT_LOG = '/var/lib/keystead/notary';

export const auditVerify: Command = {
  name: 'audit verify',
  operands: '[FILE|FOLDER...]',
  summary: 'Looks for cuts, edits, removals and misplaced records in the audit log of a notary',
  options: {
    head: { type: 'string', value: 'HASH', help: "a hash that the log must contain, from the notary's status" },
    ...JSON_OPTION,
  },
  details:
    `Without a path it looks at ${DEFAULT_LOG}. Give the folder, so that removed files are noticed. Whoever can write\n` +
    'the files can also write the end of the chain anew or cut it off: only a head that was noted elsewhere shows that.\n\n' +
    'Exit code: 0 all as written, 1 the last line is unfinished, 2 tampered with.',
  run({ terminal, audit, values, positionals }) {
    const head = text(values, 'head');
    if (head !== undefined && !/^[0-9a-f]{64}$/.test(head)) {
      throw new UsageError(`--head: expected 64 hexadecimal digits in lower case, found ${head}`);
    }
    const found = audit.verify(positionals.length === 0 ? [DEFAULT_LOG] : positionals, head);
    if (values['json'] === true)
      terminal.out(JSON.stringify({ intact: exitOf(found) === EXIT.Ok, ...found }, undefined, 2));
    else show(terminal, found, head !== undefined);
    return Promise.resolve(exitOf(found));
  },
};

const STYLES: Readonly<Record<Verification['findings'][number]['severity'], Style>> = {
  Tampering: 'red',
  Warning: 'yellow',
  Notice: 'dim',
};

function exitOf({ findings }: Verification): Exit {
  if (findings.some(({ severity }) => severity === 'Tampering')) return EXIT.Failure;
  return findings.some(({ severity }) => severity === 'Warning') ? EXIT.Attention : EXIT.Ok;
}

function show(terminal: Terminal, found: Verification, headGiven: boolean): void {
  const { findings, records, first, last } = found;
  for (const { severity, kind, file, line, offset, message } of findings) {
    const place = line === 0 ? file : `${file}:${line} (byte ${offset})`;
    terminal.out(`${terminal.style(STYLES[severity], `${severity} ${kind}`)} ${place}: ${message}`);
  }
  const verdict = { 0: 'intact', 1: 'intact but for its end', 2: 'TAMPERED WITH', 64: '' }[exitOf(found)];
  const range = first && last ? `records ${first.seq} to ${last.seq}, ${records} read` : 'no records';
  terminal.out(`${terminal.style('bold', verdict)}: ${range}`);
  if (last) terminal.out(`head ${last.hash}`);
  if (!headGiven) terminal.out(terminal.style('dim', 'without --head a cut at the end goes unnoticed'));
}
