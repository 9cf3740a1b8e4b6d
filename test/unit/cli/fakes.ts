// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../src/errors.ts';
import type { AuditFiles, CliPorts, Cluster } from '../../../src/cli/port.ts';
import { runProgram } from '../../../src/cli/program.ts';
import type { KubeObject, ObjectName, Resource } from '../../../src/kube/index.ts';

export const NOW = Date.UTC(2026, 10, 22, 12);

/** Objects by plural (`pods`), or an error that asking for them gives. */
export type Objects = Readonly<Record<string, readonly KubeObject[] | Error>>;

/** An API server that holds these objects and knows no selectors but namespace, component and node. */
export function fakeCluster(objects: Objects, change: Partial<Cluster> = {}): Cluster {
  const of = (plural: string): readonly KubeObject[] => {
    const found = objects[plural] ?? [];
    if (found instanceof Error) throw found;
    return found;
  };
  const find = (kind: Resource, { namespace, name }: ObjectName): KubeObject | undefined =>
    of(kind.plural).find(
      ({ metadata }) => metadata?.name === name && (!kind.namespaced || metadata.namespace === namespace),
    );
  const cluster = {
    namespace: 'default',
    clockSkewMs: 0,
    close: () => undefined,
    find: (kind: Resource, name: ObjectName) => Promise.resolve().then(() => find(kind, name)),
    get: (kind: Resource, name: ObjectName) =>
      Promise.resolve().then(() => {
        const found = find(kind, name);
        if (found) return found;
        throw new KeysteadError('NotFound', `GET ${kind.plural}/${name.name}: not found`);
      }),
    list: (kind: Resource, selection: { namespace?: string; labelSelector?: string; fieldSelector?: string } = {}) =>
      Promise.resolve().then(() => of(kind.plural).filter((object) => selects(selection, object))),
    serves: ({ plural }: Resource) => Promise.resolve(objects[plural] !== undefined),
    version: () => Promise.resolve({ gitVersion: 'v1.36.3' }),
    ...change,
  };
  return cluster as unknown as Cluster;
}

function selects(
  selection: { namespace?: string; labelSelector?: string; fieldSelector?: string },
  { metadata, ...rest }: KubeObject,
): boolean {
  const { namespace, labelSelector = '', fieldSelector = '' } = selection;
  const component = /component=(\w+)/.exec(labelSelector)?.[1];
  const node = /spec\.nodeName=(.+)/.exec(fieldSelector)?.[1];
  const spec = (rest as { spec?: { nodeName?: string } }).spec;
  return (
    (namespace === undefined || metadata?.namespace === namespace) &&
    (component === undefined || metadata?.labels?.['app.kubernetes.io/component'] === component) &&
    (node === undefined || spec?.nodeName === node)
  );
}

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line. Styled text is shown as `<style>text</>` where `styled` is set. */
export async function run(
  commandLine: string,
  parts: {
    cluster?: Cluster;
    audit?: Partial<AuditFiles>;
    styled?: boolean;
    files?: Record<string, string>;
    binaries?: Record<string, Buffer>;
    now?: number;
  } = {},
): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const ports: CliPorts = {
    terminal: {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      style: (style, text) => (parts.styled ? `<${style}>${text}</>` : text),
    },
    clock: { now: () => parts.now ?? NOW },
    version: '1.2.3',
    readText: (path) => {
      const text = parts.files?.[path];
      if (text === undefined) throw new KeysteadError('NotFound', `${path}: no such file`);
      return text;
    },
    readBytes: (path) => {
      const octets = parts.binaries?.[path];
      if (octets === undefined) throw new KeysteadError('NotFound', `${path}: no such file`);
      return octets;
    },
    audit: {
      verify: () => ({ findings: [], records: 0 }),
      export: () => ({ exported: 0, unreadable: 0 }),
      ...parts.audit,
    },
    cluster: () => Promise.resolve(parts.cluster ?? fakeCluster({})),
  };
  const exit = await runProgram(commandLine.split(' ').filter(Boolean), ports);
  return { exit, out: out.join('\n'), err: err.join('\n') };
}
