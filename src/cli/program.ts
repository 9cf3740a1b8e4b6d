// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { asKeysteadError } from '../errors.ts';
import { auditExport } from './audit-export.ts';
import { auditVerify } from './audit-verify.ts';
import { check } from './check.ts';
import { EXIT, UsageError, type Command, type Exit, type OptionTable, type ParseOptions } from './command.ts';
import { deviceEventLog } from './device-event-log.ts';
import { deviceLearn } from './device-learn.ts';
import { explain } from './explain.ts';
import { commandHelp, programHelp } from './help.ts';
import { keyEvidence } from './key-evidence.ts';
import type { CliPorts } from './port.ts';
import { keys } from './keys.ts';
import { status } from './status.ts';
import { verifyKey } from './verify-key.ts';
import { version } from './version.ts';

export const COMMANDS: readonly Command[] = [
  status,
  explain,
  check,
  keys,
  auditVerify,
  auditExport,
  deviceLearn,
  deviceEventLog,
  keyEvidence,
  verifyKey,
  version,
];

/** Runs a command line and gives the exit code. Never throws: what goes wrong is told on standard error. */
export async function runProgram(args: readonly string[], ports: CliPorts): Promise<Exit> {
  try {
    return await dispatch(args, ports);
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      ports.terminal.err(thrown.message);
      return EXIT.Usage;
    }
    const { code, message } = asKeysteadError(thrown);
    ports.terminal.err(`${ports.terminal.style('red', code)}: ${message}`);
    return EXIT.Failure;
  }
}

async function dispatch(args: readonly string[], ports: CliPorts): Promise<Exit> {
  const [first] = args;
  if (first === undefined || ['help', '--help', '-h'].includes(first)) {
    const named = first === 'help' ? commandOf(args.slice(1)) : undefined;
    ports.terminal.out(named ? commandHelp(named) : programHelp(COMMANDS));
    return EXIT.Ok;
  }
  if (first === '--version') return version.run({ ...ports, values: {}, positionals: [] });
  const command = commandOf(args);
  if (!command) throw new UsageError(unknownCommand(args));
  const { values, positionals } = parsed(command, args.slice(command.name.split(' ').length));
  if (values['help'] === true) {
    ports.terminal.out(commandHelp(command));
    return EXIT.Ok;
  }
  return command.run({ ...ports, values, positionals });
}

function commandOf(args: readonly string[]): Command | undefined {
  return COMMANDS.find(({ name }) => name.split(' ').every((word, index) => args[index] === word));
}

function unknownCommand([first = '', second]: readonly string[]): string {
  const under = COMMANDS.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name);
  if (under.length > 0) {
    const problem = second === undefined ? `${first} needs a command` : `there is no command ${first} ${second}`;
    return `${problem}; there are: ${under.join(', ')}`;
  }
  const all = COMMANDS.map(({ name }) => name).join(', ');
  return `there is no command ${first}; there are: ${all}. keystead --help tells what each does`;
}

function parsed(
  command: Command,
  args: readonly string[],
): { values: Record<string, string | boolean>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { ...plain(command.options), help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
      strict: true,
    });
    return { values: { ...values }, positionals };
  } catch (thrown) {
    const [said = ''] = asKeysteadError(thrown).message.split('. ');
    throw new UsageError(`${said}. See keystead ${command.name} --help`);
  }
}

function plain(options: OptionTable): ParseOptions {
  const entries = Object.entries(options);
  return Object.fromEntries(entries.map(([name, { type, short }]) => [name, { type, ...(short && { short }) }]));
}
