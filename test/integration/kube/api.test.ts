// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { Events } from '../../../src/kube/events.ts';
import {
  clusterTrustBundles,
  configMaps,
  kubeEvents,
  namespaces,
  secrets,
  type ConfigMap,
} from '../../../src/kube/kinds.ts';
import { allSynced, Reflector } from '../../../src/kube/reflector.ts';
import { createLogger } from '../../../src/log.ts';
import { readLab } from '../../lab/index.ts';

const namespace = `kube-${Math.random().toString(36).slice(2, 8)}`;
const log = createLogger('test', 'silent');
const stop = new AbortController();
const following: Promise<void>[] = [];
let client: KubeClient;

beforeAll(async () => {
  client = await KubeClient.fromEnvironment({ KUBECONFIG: readLab().kubeconfig });
  await client.create(namespaces, { metadata: { name: namespace } });
});

afterAll(async () => {
  stop.abort();
  await Promise.all(following);
  await client.delete(namespaces, { name: namespace });
  client.close();
});

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never became true: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function follow(options: { metadataOnly?: boolean; labelSelector?: string }): Promise<Reflector<ConfigMap>> {
  const { metadataOnly = false, labelSelector } = options;
  const selection = { namespace, labelSelector };
  const timing = { pageSize: 10 };
  const reflector = new Reflector<ConfigMap>({ client, resource: configMaps, log, selection, metadataOnly, timing });
  following.push(reflector.run(stop.signal));
  await allSynced([reflector], AbortSignal.timeout(10_000));
  return reflector;
}

describe('a real API server', () => {
  it('fills a reflector page by page and keeps it current', async () => {
    const made = Array.from({ length: 25 }, (_, index) => ({
      metadata: { namespace, name: `cm-${index}`, labels: { odd: String(index % 2 === 1) } },
      data: { index: String(index) },
    }));
    await Promise.all(made.map((object) => client.create(configMaps, object)));
    const [all, odd, bare] = await Promise.all([
      follow({}),
      follow({ labelSelector: 'odd=true' }),
      follow({ metadataOnly: true }),
    ]);
    // kube-root-ca.crt is there as well, sooner or later.
    expect(all.keys().filter((key) => key.startsWith(`${namespace}/cm-`))).toHaveLength(25);
    expect(odd.size).toBe(12);
    expect(bare.get(`${namespace}/cm-1`)).not.toHaveProperty('data');
    expect(bare.get(`${namespace}/cm-1`)?.metadata).not.toHaveProperty('managedFields');

    const moved = { metadata: { labels: { odd: 'false' } }, data: { index: 'changed' } };
    await client.patch(configMaps, { namespace, name: 'cm-1' }, moved, { type: 'merge' });
    await client.delete(configMaps, { namespace, name: 'cm-3' });
    await until(() => all.get(`${namespace}/cm-1`)?.data?.['index'] === 'changed' && odd.size === 10);
    await until(() => all.get(`${namespace}/cm-3`) === undefined && bare.get(`${namespace}/cm-3`) === undefined);
  });

  it('applies fields by owner: what is left out goes, what is another manager’s stays', async () => {
    const name = { namespace, name: 'applied' };
    await client.apply(configMaps, { metadata: name, data: { a: '1', b: '1' } }, { fieldManager: 'one' });
    await client.apply(configMaps, { metadata: name, data: { c: '2' } }, { fieldManager: 'two' });
    await client.apply(configMaps, { metadata: name, data: { a: '1' } }, { fieldManager: 'one' });
    expect((await client.get(configMaps, name)).data).toEqual({ a: '1', c: '2' });
    const stolen = client.apply(
      configMaps,
      { metadata: name, data: { c: '3' } },
      { fieldManager: 'one', force: false },
    );
    await expect(stolen).rejects.toMatchObject({ status: 409, reason: 'Conflict', retryable: true });
  });

  it('refuses what is malformed, for good', async () => {
    const wrong = client.create(configMaps, { metadata: { namespace, name: 'Not A Name' } });
    await expect(wrong).rejects.toMatchObject({
      status: 422,
      reason: 'Invalid',
      code: 'InvalidRequest',
      retryable: false,
    });
  });

  it('guards a deletion by uid', async () => {
    await client.create(configMaps, { metadata: { namespace, name: 'guarded' } });
    const other = client.delete(configMaps, { namespace, name: 'guarded' }, { uid: 'another' });
    await expect(other).rejects.toMatchObject({ status: 409 });
  });

  it('gives no Secret’s value to one who asks for metadata', async () => {
    const metadata = { namespace, name: 'hidden' };
    const options = { metadataOnly: true };
    const answers = [
      await client.create(secrets, { metadata, stringData: { key: 'value' } }, options),
      await client.apply(secrets, { metadata, data: { more: 'eA==' } }, { fieldManager: 'me', ...options }),
      await client.get(secrets, metadata, options),
      ...(await client.list(secrets, { namespace }, options)),
    ];
    for (const answer of answers) expect(answer).not.toHaveProperty('data');
  });

  it('takes Events and counts of repeated ones', async () => {
    const object = await client.create(configMaps, { metadata: { namespace, name: 'eventful' } });
    const events = new Events({ client, log, controller: 'keystead.dev/test', instance: 'here' });
    const occurrence = { type: 'Warning', reason: 'Tested', action: 'Testing', note: 'hello' } as const;
    for (let index = 0; index < 3; index += 1) events.emit(configMaps, object, occurrence);
    await events.drain();
    const [found, ...others] = await client.list(kubeEvents, { namespace, fieldSelector: 'reason=Tested' });
    expect(found).toMatchObject({ regarding: { name: 'eventful' }, series: { count: 3 } });
    expect(others).toEqual([]);
  });

  it('tells which kinds it serves, and its time', async () => {
    const served = await Promise.all(clusterTrustBundles.map((resource) => client.serves(resource)));
    expect(served).toContain(true);
    expect(await client.serves({ ...configMaps, group: 'nothing.example.org' })).toBe(false);
    expect(Math.abs(client.clockSkewMs ?? Number.NaN)).toBeLessThan(2000);
  });
});
