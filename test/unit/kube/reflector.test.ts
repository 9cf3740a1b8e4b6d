// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { configMaps, type ConfigMap } from '../../../src/kube/kinds.ts';
import { allSynced, Reflector, type ReflectorOptions } from '../../../src/kube/reflector.ts';
import { createLogger } from '../../../src/log.ts';
import { FakeApiServer, refuse } from '../../fakes/api-server.ts';

const COLLECTION = 'v1/configmaps';
const FAST = { pageSize: 10, backOff: { initialMs: 5, maxMs: 50 }, silenceMs: 60_000, watchSeconds: 300 };
const log = createLogger('test', 'silent');

let server: FakeApiServer;
let client: KubeClient;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient(server.access);
  stop = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
  client.close();
  await server.down();
});

function put(name: string, data: Record<string, string> = {}): void {
  server.put(COLLECTION, { metadata: { namespace: 'ns', name, managedFields: [{ manager: 'x' }] }, data });
}

function reflect(options: Partial<ReflectorOptions<ConfigMap>> = {}): Reflector<ConfigMap> {
  const { timing, ...others } = options;
  return new Reflector<ConfigMap>({ client, resource: configMaps, log, timing: { ...FAST, ...timing }, ...others });
}

async function start(reflector: Reflector<ConfigMap>): Promise<void> {
  running = reflector.run(stop.signal);
  await allSynced([reflector], AbortSignal.timeout(5000));
}

/** Waits until something holds; fails after five seconds. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never became true: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a reflector', () => {
  it('lists page by page and is synced after the last', async () => {
    for (let index = 0; index < 25; index += 1) put(`cm-${index}`);
    const reflector = reflect();
    await start(reflector);
    expect(reflector.size).toBe(25);
    const lists = server.requests.filter(({ query }) => query.get('watch') === null);
    expect(lists.map(({ query }) => query.get('continue'))).toEqual([null, '10', '20']);
  });

  it('follows additions, changes and deletions, and tells of each with what was there before', async () => {
    put('one', { a: '1' });
    const told: unknown[] = [];
    const reflector = reflect();
    reflector.onChange((key, current, previous) => told.push([key, current?.data?.['a'], previous?.data?.['a']]));
    await start(reflector);
    await until(() => server.watching === 1);
    put('two', { a: '2' });
    put('one', { a: '3' });
    server.remove(COLLECTION, 'one', 'ns');
    await until(() => reflector.size === 1 && told.length === 4);
    expect(told).toEqual([
      ['ns/one', '1', undefined],
      ['ns/two', '2', undefined],
      ['ns/one', '3', '1'],
      ['ns/one', undefined, '3'],
    ]);
  });

  it('keeps of an object what transform gives, and never managedFields', async () => {
    put('plain');
    put('secret', { hidden: 'x' });
    const plain = reflect();
    await start(plain);
    expect(plain.get('ns/plain')?.metadata).not.toHaveProperty('managedFields');
    const trimmed = reflect({
      transform: ({ metadata, data }) =>
        data?.['hidden'] === undefined ? { ...(metadata && { metadata }) } : undefined,
    });
    const second = trimmed.run(stop.signal);
    await trimmed.synced;
    expect(trimmed.keys()).toEqual(['ns/plain']);
    stop.abort();
    await second;
  });

  it('finds by declared indexes, and keeps them current', async () => {
    put('one', { colour: 'red' });
    put('two', { colour: 'red' });
    const reflector = reflect({ indexes: { colour: ({ data }) => [data?.['colour'] ?? 'none'] } });
    await start(reflector);
    await until(() => server.watching === 1);
    put('two', { colour: 'blue' });
    await until(() => reflector.by('colour', 'blue').length === 1);
    expect(reflector.by('colour', 'red').map(({ metadata }) => metadata?.name)).toEqual(['one']);
    expect(() => reflector.by('size', 'big')).toThrow('no index "size"');
  });

  it('asks for bookmarks and a jittered end, and goes on from the last bookmark', async () => {
    const reflector = reflect();
    await start(reflector);
    await until(() => server.watching === 1);
    const [watch] = server.requests.filter(({ query }) => query.get('watch') === 'true');
    expect(watch?.query.get('allowWatchBookmarks')).toBe('true');
    expect(Number(watch?.query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    expect(Number(watch?.query.get('timeoutSeconds'))).toBeLessThanOrEqual(600);
    server.put('v1/secrets', { metadata: { name: 'other', namespace: 'ns' } });
    server.bookmark();
    server.compact();
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.endWatches();
    await until(() => server.watching === 1);
    // The bookmark was recent enough: no second list.
    expect(server.requests.filter(({ query }) => query.get('watch') === null)).toHaveLength(1);
  });

  it('lists anew when its version is too old, and notices what was deleted meanwhile', async () => {
    put('stays');
    put('goes');
    const reflector = reflect();
    const gone: string[] = [];
    reflector.onChange((key, current) => {
      if (!current) gone.push(key);
    });
    await start(reflector);
    await until(() => server.watching === 1);
    server.endWatches();
    server.removeSilently(COLLECTION, 'goes', 'ns');
    server.compact();
    await until(() => reflector.size === 1);
    expect(gone).toEqual(['ns/goes']);
    expect(reflector.connected).toBe(true);
  });

  it('does not tell of objects that a new list shows unchanged', async () => {
    put('same');
    const reflector = reflect();
    let told = 0;
    reflector.onChange(() => (told += 1));
    await start(reflector);
    await until(() => server.watching === 1);
    server.put('v1/secrets', { metadata: { name: 'other', namespace: 'ns' } });
    server.compact();
    server.endWatches();
    await until(() => server.requests.filter(({ query }) => query.get('watch') === null).length === 2);
    await until(() => server.watching === 1);
    expect(told).toBe(1);
  });

  it('serves its cache while the server is away, says so, and catches up when it is back', async () => {
    put('one');
    const reflector = reflect();
    await start(reflector);
    await until(() => server.watching === 1);
    await server.down();
    await until(() => !reflector.connected);
    expect(reflector.lastError?.reason).toBe('Unreachable');
    expect(reflector.get('ns/one')).toBeDefined();
    put('two');
    await server.up();
    await until(() => reflector.size === 2);
    expect(reflector.connected).toBe(true);
    expect(reflector.lastError).toBeUndefined();
  });

  it('waits for a server that is away at the start', async () => {
    put('one');
    await server.down();
    const reflector = reflect();
    running = reflector.run(stop.signal);
    await until(() => reflector.lastError !== undefined);
    expect(reflector.hasSynced).toBe(false);
    await server.up();
    await reflector.synced;
    expect(reflector.size).toBe(1);
  });

  it.each([
    ['a line that is not JSON', '{"type":"ADDED","object":\n'],
    ['an internal error', '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd"}}\n'],
  ])('takes the watch up anew after %s', async (_, text) => {
    const reflector = reflect();
    await start(reflector);
    await until(() => server.watching === 1);
    server.sendRaw(text);
    await until(() => server.requests.filter(({ query }) => query.get('watch') === 'true').length === 2);
    put('after');
    await until(() => reflector.size === 1);
    expect(server.requests.filter(({ query }) => query.get('watch') === null)).toHaveLength(1);
  });

  it('puts an event together that comes in pieces, also within a letter', async () => {
    const reflector = reflect();
    await start(reflector);
    await until(() => server.watching === 1);
    const object = { metadata: { namespace: 'ns', name: 'split', resourceVersion: '999' }, data: { text: 'grün' } };
    const bytes = Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    const middle = bytes.indexOf(0xc3) + 1;
    server.sendRaw(bytes.subarray(0, middle) as unknown as string);
    await new Promise((resolve) => setTimeout(resolve, 30));
    server.sendRaw(bytes.subarray(middle) as unknown as string);
    await until(() => reflector.size === 1);
    expect(reflector.get('ns/split')?.data).toEqual({ text: 'grün' });
  });

  it('gives up a watch that is silent for too long and goes on from where it stood', async () => {
    const reflector = reflect({ timing: { silenceMs: 100 } });
    await start(reflector);
    await until(() => server.requests.filter(({ query }) => query.get('watch') === 'true').length >= 3);
    put('after');
    await until(() => reflector.size === 1);
    expect(server.requests.filter(({ query }) => query.get('watch') === null)).toHaveLength(1);
  });

  it('waits longer after each failure in a row', async () => {
    const times: number[] = [];
    server.intercept = ({ query }, response) => {
      if (query.get('watch') !== 'true') return false;
      times.push(Date.now());
      refuse(response, 500, 'InternalError');
      return true;
    };
    const reflector = reflect({ timing: { backOff: { initialMs: 20, maxMs: 400 } } });
    await start(reflector);
    await until(() => times.length === 6);
    // The first waits are of 20 ms; a slow machine makes them longer, never the last one shorter.
    expect((times.at(-1) ?? 0) - (times.at(-2) ?? 0)).toBeGreaterThan(150);
  });

  it('waits as long as an overloaded server asks for', async () => {
    let asked = 0;
    server.intercept = (_, response) => {
      asked += 1;
      if (asked > 1) return false;
      response.writeHead(429).end(JSON.stringify({ kind: 'Status', code: 429, details: { retryAfterSeconds: 1 } }));
      return true;
    };
    const startedAt = Date.now();
    await start(reflect());
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(950);
  });

  it('ends when it is told to, with the watch', async () => {
    const reflector = reflect();
    await start(reflector);
    await until(() => server.watching === 1);
    stop.abort();
    await running;
    await until(() => server.watching === 0);
    expect(reflector.connected).toBe(false);
  });
});

describe('allSynced', () => {
  it('rejects when it is aborted first', async () => {
    await expect(allSynced([{ synced: new Promise(() => undefined) }], AbortSignal.timeout(20))).rejects.toThrow();
  });
});
