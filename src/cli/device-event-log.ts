// SPDX-License-Identifier: Apache-2.0
import { edgeDevices } from '../api/resources.ts';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { bootLog, type BootLog, type BootPcr } from '../integrity/boot-log.ts';
import { parseEventLog } from '../tpm/event-log.ts';
import { agentOn } from './agent.ts';
import {
  CLUSTER_OPTIONS,
  EXIT,
  JSON_OPTION,
  SYSTEM_OPTION,
  text,
  UsageError,
  type Command,
  type Exit,
  type Invocation,
} from './command.ts';
import { AGENT_PORT, proxied } from './kinds.ts';
import type { Cluster, Style } from './port.ts';
import { printTable } from './table.ts';

export const deviceEventLog: Command = {
  name: 'device event-log',
  operands: 'NODE',
  summary: "Replays what a node's firmware says that it measured against what its TPM has quoted",
  options: {
    file: { type: 'string', value: 'FILE', help: "the log in a file (binary_bios_measurements), not the node's own" },
    pcr: { type: 'string', value: 'N', help: 'shows the events of this PCR alone' },
    ...JSON_OPTION,
    ...SYSTEM_OPTION,
    ...CLUSTER_OPTIONS,
  },
  details:
    'A log proves nothing by itself. Where its replay gives the PCRs of the last quote that the controller verified, the\n' +
    'digests in it are those that were measured, in this order; texts marked ! are not what was measured.\n' +
    'It asks the agent of the node, through the API server: you must be allowed to get pods/proxy where Keystead is installed.\n\n' +
    'Exit code: 0 every quoted PCR of the boot is explained, 1 there is no quote to compare with, 2 one is not explained.',
  async run(invocation) {
    const { cluster, values, positionals, terminal } = invocation;
    const [node] = positionals;
    if (node === undefined || positionals.length > 1)
      throw new UsageError('device event-log expects the name of one NODE');
    const pcr = pcrIn(text(values, 'pcr'));
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const { status } = await client.get(edgeDevices, { name: node });
      const log = parseEventLog(await octets(client, node, invocation));
      const found = bootLog(log, status?.integrity?.pcrs ?? []);
      if (values['json'] === true) terminal.out(JSON.stringify(found, undefined, 2));
      else show(invocation, found, pcr);
      return exitOf(found);
    } finally {
      client.close();
    }
  },
};

function pcrIn(value: string | undefined): number | undefined {
  if (value === undefined || /^(\d|1\d|2[0-3])$/.test(value)) return value === undefined ? undefined : Number(value);
  throw new UsageError(`--pcr: expected a number from 0 to 23, found ${value}`);
}

async function octets(client: Cluster, node: string, { values, readBytes }: Invocation): Promise<Buffer> {
  const file = text(values, 'file');
  if (file !== undefined) return readBytes(file);
  try {
    const agent = await agentOn(client, node, text(values, 'system-namespace'));
    const page = proxied(agent.name, AGENT_PORT, 'event-log');
    const answer = await client.get(page, { namespace: agent.namespace, name: 'tpm0' });
    return Buffer.from((answer as { log?: string }).log ?? '', 'base64');
  } catch (thrown) {
    const { code, message } = asKeysteadError(thrown);
    throw new KeysteadError(code, `no event log of node ${node}: ${message}`, { cause: thrown });
  }
}

const STYLES: Readonly<Record<BootPcr['state'], Style>> = {
  Explained: 'green',
  Unexplained: 'red',
  Running: 'dim',
  Unquoted: 'yellow',
};

function show({ terminal }: Invocation, { pcrs, events }: BootLog, only: number | undefined): void {
  const wanted = <T>(all: readonly T[], of: (entry: T) => number): readonly T[] =>
    all.filter((entry) => only === undefined || of(entry) === only);
  printTable(
    terminal,
    ['PCR', 'STATE', 'QUOTED', 'REPLAYED'],
    wanted(pcrs, ({ index }) => index).map(({ index, state, quoted = '-', logged = '-' }) => [
      ...[String(index), terminal.style(STYLES[state], state), quoted, logged],
    ]),
  );
  terminal.out('');
  printTable(
    terminal,
    ['PCR', 'EVENT', 'SHA-256', 'TEXT'],
    wanted(events, ({ pcr }) => pcr).map(({ pcr, type, digest, text: said, altered }) => [
      ...[String(pcr), type, digest.slice(0, 16), altered ? terminal.style('red', `! ${said}`) : said],
    ]),
  );
}

function exitOf({ pcrs }: BootLog): Exit {
  if (pcrs.some(({ state }) => state === 'Unexplained')) return EXIT.Failure;
  return pcrs.some(({ state }) => state === 'Explained') ? EXIT.Ok : EXIT.Attention;
}
