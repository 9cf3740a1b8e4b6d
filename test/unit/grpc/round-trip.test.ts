// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { KeysteadError } from '../../../src/errors.ts';
import { Identity } from '../../../src/gen/csi/v1/csi_pb.js';
import { Events } from '../../../src/gen/containerd/services/events/v1/events_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { GrpcServer } from '../../../src/grpc/server.ts';
import { listenAt } from '../../fakes/grpc-listener.ts';
import { hasStatus } from '../../../src/grpc/status.ts';

let folder: string;
let end: () => void;
let client: GrpcClient;
let seen: { namespace?: unknown; cancelled: boolean };

function serve(socket: string): Promise<() => void> {
  const serving = new GrpcServer();
  serving.addService(Identity, {
    getPluginInfo: async () => Promise.resolve({ name: 'csi.keystead.dev', vendorVersion: '1' }),
    probe: () => {
      throw new KeysteadError('Overloaded', 'ask again in 5 s');
    },
  });
  serving.addService(Events, {
    async *subscribe(request, context) {
      seen.namespace = context.metadata.get('containerd-namespace')[0];
      context.signal.addEventListener('abort', () => (seen.cancelled = true));
      for (const topic of request.filters) yield { topic };
      if (request.filters.includes('fail')) throw new KeysteadError('NotFound', 'no such thing');
      if (request.filters.includes('hang')) await new Promise(() => undefined);
    },
  });
  return listenAt(socket, serving);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-grpc-'));
  seen = { cancelled: false };
  end = await serve(join(folder, 's'));
  client = new GrpcClient(join(folder, 's'), { headers: { 'containerd-namespace': 'k8s.io' } });
});
afterEach(() => {
  client.close();
  end();
  rmSync(folder, { recursive: true });
});

describe('gRPC over a unix socket', () => {
  it('carries a unary call both ways', async () => {
    expect((await client.unary(Identity.method.getPluginInfo, {})).name).toBe('csi.keystead.dev');
  });

  it('gives a thrown KeysteadError back with its meaning and message', async () => {
    await expect(client.unary(Identity.method.probe, {})).rejects.toMatchObject({
      code: 'Overloaded',
      message: expect.stringContaining('ask again in 5 s'),
    });
  });

  it('answers UNIMPLEMENTED for a method without a handler', async () => {
    const thrown = await client.unary(Identity.method.getPluginCapabilities, {}).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'Unavailable' });
    expect(hasStatus(thrown, status.UNIMPLEMENTED)).toBe(true);
  });

  it('streams answers, sends the headers and ends when the server ends', async () => {
    const topics: string[] = [];
    const stream = client.serverStream(Events.method.subscribe, { filters: ['a', 'b'] });
    for await (const { topic } of stream) topics.push(topic);
    expect(topics).toEqual(['a', 'b']);
    expect(seen.namespace).toBe('k8s.io');
  });

  it('throws what a streaming handler throws', async () => {
    const stream = client.serverStream(Events.method.subscribe, { filters: ['fail'] });
    expect((await stream.next()).value).toMatchObject({ topic: 'fail' });
    await expect(stream.next()).rejects.toMatchObject({
      code: 'NotFound',
      message: expect.stringContaining('no such thing'),
    });
  });

  it('ends a stream without an error when its signal aborts, and tells the server', async () => {
    const abort = new AbortController();
    const stream = client.serverStream(Events.method.subscribe, { filters: ['hang'] }, { signal: abort.signal });
    await stream.next();
    abort.abort();
    expect((await stream.next()).done).toBe(true);
    for (let i = 0; i < 100 && !seen.cancelled; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(seen.cancelled).toBe(true);
  });

  it('serves on a client that reads one message of each of many streams and gives it up', async () => {
    const topics: string[] = [];
    for (let call = 0; call < 1_500; call++) {
      const stream = client.serverStream(Events.method.subscribe, { filters: ['hang'] });
      const { value } = await stream.next();
      topics.push(value?.topic ?? '');
      await stream.return();
    }
    expect(new Set(topics)).toEqual(new Set(['hang']));
  }, 30_000);

  it('fails with Unavailable naming the socket while nobody listens, and works once the server is back', async () => {
    end();
    await expect(client.unary(Identity.method.getPluginInfo, {}, { timeout: 500 })).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining(join(folder, 's')),
    });
    end = await serve(join(folder, 's'));
    const until = Date.now() + 3000;
    let name = '';
    while (name === '' && Date.now() < until)
      name = await client.unary(Identity.method.getPluginInfo, {}).then(
        (info) => info.name,
        () => new Promise<string>((resolve) => setTimeout(resolve, 50, '')),
      );
    expect(name).toBe('csi.keystead.dev');
  });
});
