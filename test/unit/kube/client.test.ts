// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiError, isApiError } from '../../../src/kube/api-error.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { clusterTrustBundles, configMaps } from '../../../src/kube/kinds.ts';
import { FakeApiServer, refuse } from '../../fakes/api-server.ts';

const NAME = { namespace: 'ns', name: 'one' };
let server: FakeApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient(server.access);
});

afterEach(async () => {
  client.close();
  await server.down();
});

async function failure(call: Promise<unknown>): Promise<ApiError> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(thrown)}`);
  return thrown;
}

describe('the client', () => {
  it('creates, gets, lists, patches, applies and deletes', async () => {
    await client.create(configMaps, { metadata: NAME, data: { a: '1' } }, { fieldManager: 'me' });
    await client.patch(configMaps, NAME, { data: { b: '2' } }, { type: 'merge' });
    await client.apply(configMaps, { metadata: NAME, data: { c: '3' } }, { fieldManager: 'me', subresource: 'status' });
    expect((await client.get(configMaps, NAME)).data).toEqual({ a: '1', b: '2', c: '3' });
    expect(await client.list(configMaps)).toHaveLength(1);
    expect(await client.list(configMaps, { namespace: 'other' })).toEqual([]);
    expect(await client.delete(configMaps, NAME, { uid: 'uid-101' })).toBe(true);
    expect(await client.delete(configMaps, NAME)).toBe(false);
    expect(await client.find(configMaps, NAME)).toBeUndefined();
    const [post, merge, apply, , , , remove] = server.requests;
    expect(post?.query.get('fieldManager')).toBe('me');
    expect(merge?.headers['content-type']).toBe('application/merge-patch+json');
    expect(apply).toMatchObject({
      path: '/api/v1/namespaces/ns/configmaps/one/status',
      body: { apiVersion: 'v1', kind: 'ConfigMap' },
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
    expect(apply?.query.get('force')).toBe('true');
    expect(remove?.body).toEqual({ propagationPolicy: 'Background', preconditions: { uid: 'uid-101' } });
  });

  it.each([
    [404, 'NotFound', 'NotFound', true],
    [403, 'Forbidden', 'PermissionDenied', true],
    [409, 'Conflict', 'Unavailable', true],
    [422, 'Invalid', 'InvalidRequest', false],
    [500, 'InternalError', 'Unavailable', true],
  ])('turns %i %s into code %s, worth trying again: %s', async (status, reason, code, retryable) => {
    server.intercept = (_, response) => {
      refuse(response, status, reason);
      return true;
    };
    const error = await failure(client.get(configMaps, NAME));
    expect(error).toMatchObject({ status, reason, code, retryable });
    expect(error.message).toBe(`GET /api/v1/namespaces/ns/configmaps/one: ${reason} on purpose`);
    expect(isApiError(error, reason)).toBe(true);
    expect(isApiError(error, 'SomethingElse')).toBe(false);
  });

  it('makes an error of an answer that is no Status', async () => {
    server.intercept = (_, response) => {
      response.writeHead(502).end('<html>bad gateway</html>');
      return true;
    };
    expect(await failure(client.get(configMaps, NAME))).toMatchObject({ status: 502, reason: 'Http502' });
  });

  it('gives up after the time limit', async () => {
    server.intercept = () => true;
    const error = await failure(client.get(configMaps, NAME, { timeoutMs: 50 }));
    expect(error).toMatchObject({ status: 0, reason: 'Unreachable', code: 'Unavailable' });
    expect(error.message).toContain('none within 50 ms');
  });

  it('gives up when the caller does', async () => {
    server.intercept = () => true;
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 30);
    expect((await failure(client.get(configMaps, NAME, { signal: stop.signal }))).message).toContain('enough');
  });

  it('says that nobody answers where nobody does', async () => {
    await server.down();
    expect((await failure(client.get(configMaps, NAME))).reason).toBe('Unreachable');
    await server.up();
  });

  it('reads its credentials anew once when they are refused', async () => {
    let reads = 0;
    const read = (): Promise<{ headers: Record<string, string>; tls: object }> => {
      reads += 1;
      return Promise.resolve({ headers: { authorization: `Bearer token-${reads}` }, tls: {} });
    };
    const rotating = new KubeClient({ ...server.access, read });
    server.intercept = ({ headers }, response) => {
      if (headers.authorization === 'Bearer token-2') return false;
      refuse(response, 401, 'Unauthorized');
      return true;
    };
    expect(await rotating.find(configMaps, NAME)).toBeUndefined();
    expect(reads).toBe(2);
    rotating.close();
  });

  it('measures the difference to the server clock', async () => {
    expect(client.clockSkewMs).toBeUndefined();
    server.clockOffsetMs = 3_600_000;
    await client.find(configMaps, NAME);
    expect(Math.abs((client.clockSkewMs ?? 0) - 3_600_000)).toBeLessThan(1100);
  });

  it('knows the time of the server between its answers, however the own clock is set', async () => {
    expect(client.serverTimeMs).toBeUndefined();
    await client.find(configMaps, NAME);
    const now = Date.now;
    const before = client.serverTimeMs ?? 0;
    expect(Math.abs(before - now())).toBeLessThan(1100);
    Date.now = () => now() + 3_600_000;
    try {
      expect((client.serverTimeMs ?? 0) - before).toBeLessThan(1000);
    } finally {
      Date.now = now;
    }
  });

  it('asks for metadata alone where it should see no more', async () => {
    await client.find(configMaps, NAME, { metadataOnly: true });
    await client.list(configMaps, {}, { metadataOnly: true });
    expect(server.requests.map(({ headers }) => headers.accept)).toEqual([
      'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
      'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
    ]);
  });

  it('finds out whether a version of a kind is served', async () => {
    server.intercept = ({ path }, response) => {
      if (path !== '/apis/certificates.k8s.io/v1beta1') return false;
      response.end(JSON.stringify({ resources: [{ name: 'clustertrustbundles' }] }));
      return true;
    };
    const served = await Promise.all(clusterTrustBundles.map((resource) => client.serves(resource)));
    expect(served).toEqual([false, true]);
  });
});
