// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { Events } from '../../../src/kube/events.ts';
import { nodes, pods, type KubeEvent } from '../../../src/kube/kinds.ts';
import { createLogger } from '../../../src/log.ts';
import { FakeApiServer, refuse } from '../../fakes/api-server.ts';

const POD = { metadata: { namespace: 'ns', name: 'web', uid: 'u1' } };
const DENIED = { type: 'Warning', reason: 'Denied', action: 'Attesting', note: 'wrong digest' } as const;

let server: FakeApiServer;
let client: KubeClient;
let events: Events;

beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient(server.access);
  const log = createLogger('test', 'silent');
  events = new Events({ client, log, controller: 'keystead.dev/test', instance: 'node-1', seriesMs: 20 });
});

afterEach(async () => {
  client.close();
  await server.down();
});

const written = (): KubeEvent[] =>
  server.requests.filter(({ method }) => method === 'POST').map(({ body }) => body as unknown as KubeEvent);

describe('events', () => {
  it('say what happened to which object', async () => {
    events.emit(pods, POD, DENIED);
    await events.drain();
    expect(written()).toEqual([
      expect.objectContaining({
        ...DENIED,
        apiVersion: 'events.k8s.io/v1',
        reportingController: 'keystead.dev/test',
        reportingInstance: 'node-1',
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1' },
      }),
    ]);
    expect(written()[0]?.eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('of cluster-scoped objects lie in the namespace default', async () => {
    events.emit(nodes, { metadata: { name: 'edge-1' } }, DENIED);
    await events.drain();
    expect(server.requests[0]?.path).toBe('/apis/events.k8s.io/v1/namespaces/default/events');
  });

  it('that repeat become one with a count', async () => {
    for (let index = 0; index < 40; index += 1) events.emit(pods, POD, DENIED);
    events.emit(pods, POD, { ...DENIED, note: 'another digest' });
    await events.drain();
    expect(written()).toHaveLength(2);
    const patches = server.requests.filter(({ method }) => method === 'PATCH');
    expect(patches).toHaveLength(1);
    expect(patches[0]?.body).toMatchObject({ series: { count: 40 } });
  });

  it('are cut to the length that the API takes, between letters', async () => {
    events.emit(pods, POD, { ...DENIED, note: 'ä'.repeat(1000) });
    await events.drain();
    const note = written()[0]?.note ?? '';
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^ä+…$/);
  });

  it('that cannot be written are dropped without a word to the caller', async () => {
    server.intercept = (_, response) => {
      refuse(response, 403, 'Forbidden');
      return true;
    };
    for (let index = 0; index < 1000; index += 1) events.emit(pods, POD, { ...DENIED, note: String(index) });
    await events.drain();
    expect(server.requests.length).toBeLessThanOrEqual(256);
  });
});
