// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Cluster } from './cluster.ts';
import { readExample } from './examples.ts';

const SINCE = '2026-01-02T03:04:05Z';
const ready = (reason: string): object => ({
  conditions: [{ type: 'Ready', status: 'True', reason, message: `${reason}.`, lastTransitionTime: SINCE }],
});

/** What each kind shows by `kubectl get --output=wide`, by short name: the status, and the columns beside NAME and AGE. */
const ROWS = [
  {
    resource: 'edev',
    example: 'edge-device',
    status: { ...ready('Issuing'), token: { label: 'keystead' } },
    columns: {
      READY: 'True',
      TOKEN: 'keystead',
      'TRUST DOMAIN': 'edge.example.org',
      REASON: 'Issuing',
      MESSAGE: 'Issuing.',
    },
  },
  {
    resource: 'emod',
    example: 'edge-module-full',
    status: { ...ready('Attested'), desired: 3, attested: 2 },
    columns: { READY: 'True', DESIRED: '3', ATTESTED: '2', STATE: 'Stopped', VERSION: '2.3.0', REASON: 'Attested' },
  },
  {
    resource: 'mid',
    example: 'module-identity',
    status: { ...ready('Delivered'), spiffeId: 'spiffe://edge/ns/a/module/b' },
    columns: { READY: 'True', MODULE: 'thermostat', 'SPIFFE ID': 'spiffe://edge/ns/a/module/b', REASON: 'Delivered' },
  },
  {
    resource: 'tb',
    example: 'trust-bundle',
    status: { ...ready('Published'), count: 4 },
    columns: { READY: 'True', 'TRUST DOMAIN': 'edge.example.org', CERTIFICATES: '4', REASON: 'Published' },
  },
];

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.open();
  for (const { resource, example, status } of ROWS) {
    const object = readExample(example, cluster.namespace);
    await cluster.create(object);
    const patch = JSON.stringify({ status });
    const name = object.metadata.name;
    await cluster.kubectl(
      ...[
        'patch',
        resource,
        name,
        '--namespace',
        cluster.namespace,
        '--subresource=status',
        '--type=merge',
        '--patch',
        patch,
      ],
    );
  }
}, 60_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
}, 60_000);

describe('kubectl get', () => {
  it.each(ROWS)('shows $resource in columns', async ({ resource, example, columns }) => {
    const { name } = readExample(example, cluster.namespace).metadata;
    const table = await cluster.kubectl('get', resource, name, '--namespace', cluster.namespace, '--output=wide');
    expect(rowOf(table)).toMatchObject(columns);
  });

  it('shows all kinds by their category', async () => {
    const names = await cluster.kubectl('get', 'keystead', '--namespace', cluster.namespace, '--output=name');
    for (const { example } of ROWS) {
      expect(names).toContain(`/${readExample(example, cluster.namespace).metadata.name}\n`);
    }
  });

  it.each([
    ['edev', 'spec.trustDomain=edge.example.org', true],
    ['edev', 'spec.trustDomain=other.example.org', false],
    ['emod', 'spec.desiredState=Stopped', true],
    ['emod', 'spec.template.kind=Deployment', false],
    ['mid', 'spec.moduleRef.name=thermostat', true],
    ['mid', 'spec.moduleRef.name=other', false],
    ['tb', 'spec.trustDomain=edge.example.org', true],
  ])('selects %s by %s', async (resource, selector, isFound) => {
    const names = await cluster.kubectl(
      ...['get', resource, '--namespace', cluster.namespace, '--field-selector', selector, '--output=name'],
    );
    expect(names.includes(cluster.namespace)).toBe(isFound);
  });
});

describe('the status', () => {
  it('is not taken from the object itself', async () => {
    const object = { ...readExample('trust-bundle', cluster.namespace), status: { count: 9 } };
    const answer = await cluster.tryPatch(object, { status: { count: 9 } });
    expect(answer).toMatchObject({ object: { status: { count: 4 } } });
  });
});

/** The one row of a table, by column. Columns begin where their titles do and may hold single blanks. */
function rowOf(table: string): Record<string, string> {
  const [head = '', row = ''] = table.split('\n');
  const starts = [...head.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ title: match[0], at: match.index }));
  return Object.fromEntries(starts.map(({ title, at }, index) => [title, row.slice(at, starts[index + 1]?.at).trim()]));
}
