// SPDX-License-Identifier: Apache-2.0
import { findCondition, type Condition } from '../api/conditions.ts';
import { edgeDevices, edgeModules, moduleIdentities } from '../api/resources.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity } from '../api/v1alpha1/index.ts';
import {
  CLUSTER_OPTIONS,
  EXIT,
  JSON_OPTION,
  NAMESPACE_OPTION,
  text,
  UsageError,
  type Command,
  type Invocation,
} from './command.ts';
import type { Terminal } from './port.ts';
import { showRevoked } from './revoked.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

export const status: Command = {
  name: 'status',
  summary: 'Shows devices, modules and identities, and why what is not ready is not',
  options: {
    ...NAMESPACE_OPTION,
    'all-namespaces': { type: 'boolean', short: 'A', help: 'modules and identities of all namespaces' },
    ...JSON_OPTION,
    ...CLUSTER_OPTIONS,
  },
  async run(invocation) {
    const { terminal, values, positionals } = invocation;
    if (positionals.length > 0) throw new UsageError(`status takes no operand, found ${positionals.join(' ')}`);
    const found = await look(invocation);
    if (values['json'] === true) terminal.out(JSON.stringify(found, undefined, 2));
    else show(invocation, found);
    return EXIT.Ok;
  },
};

interface Found {
  readonly devices: readonly EdgeDevice[];
  readonly modules: readonly EdgeModule[];
  readonly identities: readonly ModuleIdentity[];
}

async function look({ cluster, values }: Invocation): Promise<Found> {
  const client = await cluster(text(values, 'kubeconfig'));
  try {
    const namespace = values['all-namespaces'] === true ? undefined : (text(values, 'namespace') ?? client.namespace);
    const [devices, modules, identities] = await Promise.all([
      client.list(edgeDevices),
      client.list(edgeModules, { namespace }),
      client.list(moduleIdentities, { namespace }),
    ]);
    return { devices, modules, identities };
  } finally {
    client.close();
  }
}

function show({ terminal, clock }: Invocation, { devices, modules, identities }: Found): void {
  const now = clock.now();
  section(
    terminal,
    'devices',
    ['DEVICE', 'READY', 'TOKEN', 'STARTS', 'ISSUER ENDS', 'REASON'],
    devices.map((device) => {
      const { metadata, status: state } = device;
      const token = [state?.token?.kind, state?.token?.label].filter(Boolean).join(' ');
      return [
        metadata.name ?? '',
        readiness(terminal, state?.conditions),
        token || '-',
        state?.platform?.containerStarts ?? '-',
        relative(state?.issuer?.notAfter, now),
        why(state?.conditions),
      ];
    }),
  );
  section(
    terminal,
    'modules',
    ['NAMESPACE', 'MODULE', 'READY', 'PODS', 'ATTESTED', 'REASON'],
    modules.map((module) => {
      const { metadata, status: state } = module;
      return [
        metadata.namespace ?? '',
        metadata.name ?? '',
        readiness(terminal, state?.conditions),
        `${state?.ready ?? 0}/${state?.desired ?? 0}`,
        String(state?.attested ?? 0),
        why(state?.conditions),
      ];
    }),
  );
  section(
    terminal,
    'identities',
    ['NAMESPACE', 'IDENTITY', 'READY', 'HOLDERS', 'NEXT END', 'REASON'],
    identities.map((identity) => {
      const { metadata, status: state } = identity;
      const holders = state?.holders ?? [];
      return [
        metadata.namespace ?? '',
        metadata.name ?? '',
        readiness(terminal, state?.conditions),
        `${holders.filter(({ verdict }) => verdict === 'Allowed').length}/${holders.length}`,
        relative(state?.notAfter, now),
        why(state?.conditions),
      ];
    }),
  );
  showRevoked(terminal, devices, now);
  showDenied(terminal, identities, now);
}

function section(terminal: Terminal, what: string, headings: readonly string[], rows: readonly string[][]): void {
  if (rows.length === 0) terminal.out(`no ${what}`);
  else printTable(terminal, headings, rows);
  terminal.out('');
}

/** Pods that were refused, each with the command that tells all of it. */
function showDenied(terminal: Terminal, identities: readonly ModuleIdentity[], now: number): void {
  const denied = identities.flatMap(({ metadata, status: state }) =>
    (state?.holders ?? [])
      .filter(({ verdict }) => verdict === 'Denied')
      .map(({ pod, since, reason = '', message = '' }) => {
        return { namespace: metadata.namespace ?? '', pod, since, reason, message };
      }),
  );
  for (const { namespace, pod, since, reason, message } of denied) {
    terminal.out(`${terminal.style('red', reason)} pod/${pod}: ${message} (${relative(since, now)})`);
    terminal.out(terminal.style('dim', `  keystead explain pod/${pod} -n ${namespace}`));
  }
}

function readiness(terminal: Terminal, conditions: readonly Condition[] | undefined): string {
  const ready = findCondition(conditions, 'Ready')?.status ?? 'Unknown';
  return terminal.style(ready === 'True' ? 'green' : ready === 'False' ? 'red' : 'yellow', ready);
}

/** Reason and message of the condition Ready where it does not hold. */
function why(conditions: readonly Condition[] | undefined): string {
  const ready = findCondition(conditions, 'Ready');
  if (!ready) return 'not reported yet';
  return ready.status === 'True' ? '' : `${ready.reason}: ${ready.message}`;
}
