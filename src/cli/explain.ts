// SPDX-License-Identifier: Apache-2.0
import type { Explanation } from '../identity/explanation.ts';
import { explanation } from './agent.ts';
import {
  CLUSTER_OPTIONS,
  EXIT,
  JSON_OPTION,
  NAMESPACE_OPTION,
  SYSTEM_OPTION,
  text,
  UsageError,
  type Command,
} from './command.ts';
import type { Style, Terminal } from './port.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

export const explain: Command = {
  name: 'explain',
  operands: 'pod/NAME',
  summary: 'Tells what every rule of attestation found about a pod, and what the pod holds',
  options: { ...NAMESPACE_OPTION, ...SYSTEM_OPTION, ...JSON_OPTION, ...CLUSTER_OPTIONS },
  details:
    "It asks the agent on the pod's node, through the API server: you must be allowed to get the pod, to list pods and\n" +
    'to get pods/proxy where Keystead is installed.',
  async run({ terminal, clock, cluster, values, positionals }) {
    const name = podName(positionals);
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const namespace = text(values, 'namespace') ?? client.namespace;
      const found = await explanation(client, { namespace, name }, text(values, 'system-namespace'));
      if (values['json'] === true) terminal.out(JSON.stringify(found, undefined, 2));
      else show(terminal, found, clock.now());
      return EXIT.Ok;
    } finally {
      client.close();
    }
  },
};

/** `pod/NAME`, `pod NAME` and `NAME` are the same. */
function podName(positionals: readonly string[]): string {
  const [first = '', ...more] = positionals.join('/').split('/');
  const name = ['pod', 'pods', 'po'].includes(first) && more.length > 0 ? more.shift() : first;
  if (name && more.length === 0) return name;
  const found = positionals.length === 0 ? 'nothing' : positionals.join(' ');
  throw new UsageError(
    `explain expects one pod, found ${found}; type for example keystead explain pod/press-0 -n factory`,
  );
}

const VERDICTS: Readonly<Record<Explanation['verdict'], Style>> = { Allowed: 'green', Denied: 'red', Ended: 'yellow' };
const OUTCOMES = { Held: 'green', Failed: 'red', NotReached: 'dim', Skipped: 'yellow' } as const;

function show(terminal: Terminal, found: Explanation, now: number): void {
  const verdict = terminal.style(VERDICTS[found.verdict], found.verdict);
  const reason = found.reason === undefined ? '' : `, ${found.reason}`;
  const measured = found.judgedAt === undefined ? '' : `, measured ${relative(found.judgedAt, now)}`;
  terminal.out(`pod ${found.pod} on ${found.node}: ${verdict}${reason} (since ${found.since}${measured})`);
  if (found.message !== undefined) terminal.out(found.message);
  terminal.out('');
  const rows = found.table.map(({ rule, outcome, message }) => [
    rule,
    terminal.style(OUTCOMES[outcome], outcome),
    message,
  ]);
  printTable(terminal, ['RULE', 'RESULT', 'EXPECTED AND FOUND'], rows);
  terminal.out('');
  printTable(terminal, ['EVIDENCE', ''], evidenceRows(found.evidence));
  terminal.out('');
  showIdentities(terminal, found, now);
}

function evidenceRows({ container, process }: Explanation['evidence']): string[][] {
  const rows: [string, string | undefined][] = [
    ['container', container && `${container.name} ${container.id}`],
    ['image', container?.image.reference],
    ['index digest', container?.image.index],
    ['manifest digest', container?.image.manifest],
    ['config digest', container?.image.config],
    ['process', process && `pid ${process.pid} on the node`],
    ['executable', process?.executable.path],
    ['executable sha256', process?.executable.sha256],
  ];
  return rows.flatMap(([what, found]) => (found ? [[what, found]] : []));
}

function showIdentities(terminal: Terminal, { identities }: Explanation, now: number): void {
  if (identities.length === 0) {
    terminal.out('no ModuleIdentity speaks of its module, so there is nothing to issue');
    return;
  }
  const rows = identities.map(({ name, serial, notAfter, reason, message }) => [
    name,
    serial ?? '-',
    relative(notAfter, now),
    reason === undefined ? '' : `${reason}: ${message ?? ''}`,
  ]);
  printTable(terminal, ['IDENTITY', 'CERTIFICATE', 'ENDS', 'REASON'], rows);
}
