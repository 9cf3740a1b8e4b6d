// SPDX-License-Identifier: Apache-2.0
import type { ExplainedProcess, Explanation } from '../identity/explanation.ts';
import { isStandIn } from '../identity/host-module.ts';
import { explanation, hostExplanation, processExplanation } from './agent.ts';
import {
  CLUSTER_OPTIONS,
  EXIT,
  JSON_OPTION,
  NAMESPACE_OPTION,
  SYSTEM_OPTION,
  text,
  UsageError,
  type Command,
  type OptionTable,
  type Values,
} from './command.ts';
import type { Cluster, Style, Terminal } from './port.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

const PROCESS_OPTIONS = {
  pid: { type: 'string', value: 'N', help: 'a process of the node instead of a pod' },
  node: {
    type: 'string',
    value: 'NODE',
    help: 'the node of that process or host module; default: the only one with an agent',
  },
} as const satisfies OptionTable;

export const explain: Command = {
  name: 'explain',
  operands: 'pod/NAME | edgemodule/NAME | --pid N',
  summary: 'Tells what every rule of attestation found about a pod, a host module or a process, and what it holds',
  options: { ...PROCESS_OPTIONS, ...NAMESPACE_OPTION, ...SYSTEM_OPTION, ...JSON_OPTION, ...CLUSTER_OPTIONS },
  details:
    "It asks the agent on the pod's node, through the API server: you must be allowed to get the pod, to list pods and\n" +
    'to get pods/proxy where Keystead is installed. With --pid any process of a node is measured and judged now, as if it\n' +
    'called; N is its pid on the node.',
  async run({ terminal, clock, cluster, values, positionals }) {
    const subject = subjectOf(values, positionals);
    const client = await cluster(text(values, 'kubeconfig'));
    try {
      const namespace = text(values, 'namespace') ?? client.namespace;
      const system = text(values, 'system-namespace');
      const node = text(values, 'node');
      const found = await explained(client, { namespace, node, ...subject }, system);
      if (values['json'] === true) terminal.out(JSON.stringify(found, undefined, 2));
      else {
        show(terminal, found, clock.now());
        // What a process would get is the pod's, and stands there.
        if (!('pid' in subject)) showIdentities(terminal, found, clock.now());
      }
      return EXIT.Ok;
    } finally {
      client.close();
    }
  },
};

type Subject = { readonly name: string } | { readonly module: string } | { readonly pid: number };

function explained(
  cluster: Cluster,
  subject: { readonly namespace: string; readonly node: string | undefined } & Subject,
  system: string | undefined,
): Promise<Explanation> {
  if ('pid' in subject) return processExplanation(cluster, subject, system);
  if ('module' in subject) return hostExplanation(cluster, subject, system);
  return explanation(cluster, subject, system);
}

function subjectOf(values: Values, positionals: readonly string[]): Subject {
  const pid = text(values, 'pid');
  if (pid === undefined) return named(positionals);
  if (positionals.length > 0)
    throw new UsageError('explain expects a pod or --pid N, found both; leave one of them out');
  if (!/^[1-9]\d{0,9}$/.test(pid)) throw new UsageError(`--pid expects the number of a process, found ${pid}`);
  return { pid: Number(pid) };
}

/** `pod/NAME`, `pod NAME` and `NAME` are the same; a module of the host is `edgemodule/NAME`. */
function named(positionals: readonly string[]): Subject {
  const [first = '', ...more] = positionals.join('/').split('/');
  const isModule = ['edgemodule', 'edgemodules', 'emod'].includes(first) && more.length > 0;
  const name = (isModule || ['pod', 'pods', 'po'].includes(first)) && more.length > 0 ? more.shift() : first;
  if (name && more.length === 0) return isModule ? { module: name } : { name };
  const found = positionals.length === 0 ? 'nothing' : positionals.join(' ');
  throw new UsageError(
    `explain expects one pod, found ${found}; type for example keystead explain pod/press-0 -n factory`,
  );
}

type Row = [what: string, found: string | undefined];

const VERDICTS: Readonly<Record<Explanation['verdict'], Style>> = { Allowed: 'green', Denied: 'red', Ended: 'yellow' };
const OUTCOMES = { Held: 'green', Reported: 'yellow', Failed: 'red', NotReached: 'dim', Skipped: 'yellow' } as const;

function show(terminal: Terminal, found: Explanation, now: number): void {
  const verdict = terminal.style(VERDICTS[found.verdict], found.verdict);
  const reason = found.reason === undefined ? '' : `, ${found.reason}`;
  const measured = found.judgedAt === undefined ? '' : `, measured ${relative(found.judgedAt, now)}`;
  terminal.out(`${subjectText(found)} on ${found.node}: ${verdict}${reason} (since ${found.since}${measured})`);
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
}

function subjectText({ pod, evidence }: Explanation): string {
  const [namespace, ...name] = pod?.split('/') ?? [];
  if (isStandIn(name.join('/'))) return `host module of namespace ${namespace ?? ''}`;
  return pod === undefined ? `process ${evidence.process?.pid ?? ''} of no pod` : `pod ${pod}`;
}

function evidenceRows({ container, process }: Explanation['evidence']): string[][] {
  const rows: Row[] = [
    ['container', container && `${container.name} ${container.id}`],
    ['image', container?.image.reference],
    ['index digest', container?.image.index],
    ['manifest digest', container?.image.manifest],
    ['config digest', container?.image.config],
    ['unit', process?.unit],
    ['process', process && `pid ${process.pid} on the node`],
    ['executable', process?.executable.path],
    ['executable sha256', process?.executable.sha256],
    ...(process ? processRows(process) : []),
  ];
  return rows.flatMap(([what, found]) => (found ? [[what, found]] : []));
}

function processRows({ code, script, uid, gid, privileges, lineage, anonymousCodeBytes }: ExplainedProcess): Row[] {
  const files = Object.entries(code ?? {}).map(([origin, count]) => `${count} from ${origin}`);
  return [
    ['code', files.join(', ')],
    ['code without a file', anonymousCodeBytes ? `${anonymousCodeBytes} bytes` : undefined],
    ['script', script],
    ['uid, gid on the node', uid === undefined ? undefined : `${uid}, ${gid ?? ''}`],
    ['groups', privileges?.groups.join(', ')],
    ['capabilities', privileges && (privileges.capabilities.join(', ') || 'none')],
    ['no new privileges', privileges && String(privileges.noNewPrivileges)],
    ['seccomp', privileges?.seccomp],
    ['traced by', privileges?.tracer === undefined ? undefined : `process ${privileges.tracer}`],
    ['lineage', lineage],
  ];
}

function showIdentities(terminal: Terminal, { identities }: Explanation, now: number): void {
  terminal.out('');
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
