// SPDX-License-Identifier: Apache-2.0
import { edgeDevices, moduleIdentities } from '../api/resources.ts';
import type { EdgeDevice, EdgeDeviceStatusKey, ModuleIdentity } from '../api/v1alpha1/index.ts';
import { CLUSTER_OPTIONS, EXIT, JSON_OPTION, text, UsageError, type Command, type Invocation } from './command.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

export const keys: Command = {
  name: 'keys',
  summary: 'Shows the keys of the nodes: what they are for, whose, where they live, and whether they can leave',
  details: 'The times of last use are to the hour. Names of ModuleIdentities are shown where you may list them.',
  options: {
    node: { type: 'string', short: 'n', value: 'NODE', help: 'keys of this node alone; default: of all' },
    ...JSON_OPTION,
    ...CLUSTER_OPTIONS,
  },
  async run(invocation) {
    const { terminal, values, positionals } = invocation;
    if (positionals.length > 0) throw new UsageError(`keys takes no operand, found ${positionals.join(' ')}`);
    const { devices, identities } = await look(invocation);
    const names = new Map(identities.map(({ metadata }) => [metadata.uid, `${metadata.namespace}/${metadata.name}`]));
    const found = devices.flatMap((device) => keysOf(device, names));
    if (values['json'] === true) terminal.out(JSON.stringify({ keys: found }, undefined, 2));
    else show(invocation, found, devices);
    return EXIT.Ok;
  },
};

type Shown = EdgeDeviceStatusKey & { readonly node: string };

async function look({ cluster, values }: Invocation): Promise<{
  devices: readonly EdgeDevice[];
  identities: readonly ModuleIdentity[];
}> {
  const client = await cluster(text(values, 'kubeconfig'));
  const name = text(values, 'node');
  try {
    const [devices, identities] = await Promise.all([
      name === undefined ? client.list(edgeDevices) : client.get(edgeDevices, { name }).then((device) => [device]),
      // Only for names: whoever may not list them still sees the keys.
      client.list(moduleIdentities).catch(() => []),
    ]);
    return { devices, identities };
  } finally {
    client.close();
  }
}

function keysOf({ metadata, status }: EdgeDevice, names: ReadonlyMap<string | undefined, string>): Shown[] {
  return (status?.keys ?? []).map(({ owner, ...key }) => ({
    node: metadata.name ?? '',
    ...key,
    ...(owner !== undefined && { owner: names.get(owner) ?? owner }),
  }));
}

function show({ terminal, clock }: Invocation, found: readonly Shown[], devices: readonly EdgeDevice[]): void {
  const now = clock.now();
  if (found.length === 0) {
    terminal.out('no keys');
    return;
  }
  const headings = ['NODE', 'PURPOSE', 'OWNER', 'ALGORITHM', 'EXTRACTABLE', 'CREATED', 'LAST USED', 'LOCATION'];
  const rows = found.map((key) => [
    key.node,
    key.purpose,
    key.owner ?? '-',
    key.algorithm,
    key.extractable ? terminal.style('red', 'yes') : 'no',
    relative(key.created, now),
    relative(key.lastUsed, now),
    key.uri,
  ]);
  printTable(terminal, headings, rows);
  for (const { metadata, status } of devices) {
    const hidden = (status?.keyCount ?? 0) - (status?.keys?.length ?? 0);
    if (hidden > 0) terminal.out(terminal.style('dim', `${metadata.name ?? ''} has ${hidden} more keys of modules`));
  }
}
