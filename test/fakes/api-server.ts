// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Access } from '../../src/kube/access.ts';

type Json = Record<string, unknown>;

interface Stored extends Json {
  metadata: Json & { name: string; namespace?: string; resourceVersion: string; uid: string };
}

interface Watcher {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly response: ServerResponse;
}

interface Target {
  /** Group, version and plural. */
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Json | undefined;
}

/** Answers in place of the server; returns whether it did. */
export type Interception = (request: Recorded, response: ServerResponse) => boolean;

/**
 * As much of a Kubernetes API server as a client sees: any kind, paged lists, watches with bookmarks and 410, patches
 * with optimistic locking, and faults on demand. Server-side apply merges without keeping account of owners.
 */
export class FakeApiServer {
  readonly requests: Recorded[] = [];
  /** Looked at before anything else. */
  intercept: Interception | undefined;
  /** Added to the Date header. */
  clockOffsetMs = 0;
  readonly #objects = new Map<string, Stored>();
  readonly #log: { readonly version: number; readonly key: string; readonly event: Json }[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 100;
  #compacted = 0;
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<FakeApiServer> {
    const server = new FakeApiServer();
    await server.up();
    return server;
  }

  /** Listens, on the same port as before where there was one. */
  async up(): Promise<void> {
    this.#server = createServer((request, response) => void this.#handle(request, response));
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Goes away with all connections; keeps its objects. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#watchers.clear();
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  }

  get access(): Access {
    const server = new URL(`http://127.0.0.1:${this.#port}`);
    return { server, namespace: 'default', read: () => Promise.resolve({ headers: {}, tls: {} }) };
  }

  get watching(): number {
    return this.#watchers.size;
  }

  /** Stores an object as somebody else would, and tells the watchers. `collection` as in `v1/configmaps`. */
  put(collection: string, object: Json & { metadata: Json & { name: string; namespace?: string } }): Stored {
    const key = keyOf(collection, object.metadata.namespace, object.metadata.name);
    const before = this.#objects.get(key);
    const uid = before?.metadata.uid ?? `uid-${this.#version + 1}`;
    const stored = { ...object, metadata: { uid, ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#objects.set(key, stored);
    this.#tell(key, { type: before ? 'MODIFIED' : 'ADDED', object: stored });
    return stored;
  }

  get(collection: string, name: string, namespace?: string): Json | undefined {
    return this.#objects.get(keyOf(collection, namespace, name));
  }

  remove(collection: string, name: string, namespace?: string): void {
    const key = keyOf(collection, namespace, name);
    const before = this.#objects.get(key);
    if (!before) return;
    this.#objects.delete(key);
    const object = { ...before, metadata: { ...before.metadata, resourceVersion: String(++this.#version) } };
    this.#tell(key, { type: 'DELETED', object });
  }

  /** Removes without telling anybody, as if the event were lost while nobody watched. */
  removeSilently(collection: string, name: string, namespace?: string): void {
    this.#objects.delete(keyOf(collection, namespace, name));
    this.#version += 1;
  }

  /** Forgets the past: a watch from before now is answered with 410. */
  compact(): void {
    this.#compacted = this.#version;
    this.#log.length = 0;
  }

  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const { response } of this.#watchers) response.write(line({ type: 'BOOKMARK', object }));
  }

  /** Writes text as it is to all watches. */
  sendRaw(text: string): void {
    for (const { response } of this.#watchers) response.write(text);
  }

  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
    this.#watchers.clear();
  }

  #tell(key: string, event: Json): void {
    this.#log.push({ version: this.#version, key, event });
    for (const watcher of this.#watchers) if (belongs(key, watcher)) watcher.response.write(line(event));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? '/', 'http://localhost');
    const recorded: Recorded = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : (JSON.parse(text) as Json),
    };
    this.requests.push(recorded);
    response.setHeader('date', new Date(Date.now() + this.clockOffsetMs).toUTCString());
    if (this.intercept?.(recorded, response)) return;
    this.#route(recorded, response);
  }

  #route(request: Recorded, response: ServerResponse): void {
    const target = parse(request.path);
    if (!target) refuse(response, 404, 'NotFound');
    else if (request.method === 'POST') this.#create(target, request, response);
    else if (request.method === 'PATCH') this.#patch(target, request, response);
    else if (request.method === 'DELETE') this.#delete(target, response);
    else if (target.name !== undefined) this.#get(target, response);
    else if (request.query.get('watch') === 'true') this.#watch(target, request, response);
    else this.#list(target, request, response);
  }

  #get({ collection, namespace, name = '' }: Target, response: ServerResponse): void {
    const found = this.#objects.get(keyOf(collection, namespace, name));
    if (found) answer(response, 200, found);
    else refuse(response, 404, 'NotFound');
  }

  #list(target: Target, { query }: Recorded, response: ServerResponse): void {
    const all = [...this.#objects].filter(([key]) => belongs(key, target)).map(([, object]) => object);
    const start = Number(query.get('continue') ?? 0);
    const limit = Number(query.get('limit') ?? all.length);
    const next = start + limit < all.length ? String(start + limit) : undefined;
    const metadata = { resourceVersion: String(this.#version), ...(next !== undefined && { continue: next }) };
    answer(response, 200, { kind: 'List', metadata, items: all.slice(start, start + limit) });
  }

  #watch(target: Target, { query }: Recorded, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    if (since < this.#compacted) {
      response.end(
        line({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }),
      );
      return;
    }
    response.flushHeaders();
    for (const { version, key, event } of this.#log) {
      if (version > since && belongs(key, target)) response.write(line(event));
    }
    const watcher = { collection: target.collection, namespace: target.namespace, response };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #create({ collection, namespace }: Target, { body = {} }: Recorded, response: ServerResponse): void {
    const object = body as Json & { metadata: Json & { name: string } };
    if (this.#objects.has(keyOf(collection, namespace, object.metadata.name))) {
      refuse(response, 409, 'AlreadyExists');
      return;
    }
    const metadata = { ...object.metadata, ...(namespace !== undefined && { namespace }) };
    answer(response, 201, this.put(collection, { ...object, metadata }));
  }

  #patch(
    { collection, namespace, name = '' }: Target,
    { body = {}, headers }: Recorded,
    response: ServerResponse,
  ): void {
    const found = this.#objects.get(keyOf(collection, namespace, name));
    const applying = headers['content-type'] === 'application/apply-patch+yaml';
    if (!found && !applying) {
      refuse(response, 404, 'NotFound');
      return;
    }
    const expected = (body['metadata'] as Json | undefined)?.['resourceVersion'];
    if (found && expected !== undefined && expected !== found.metadata.resourceVersion) {
      refuse(response, 409, 'Conflict');
      return;
    }
    const merged = merge(found ?? { metadata: { name, ...(namespace !== undefined && { namespace }) } }, body);
    answer(response, 200, this.put(collection, merged as Stored));
  }

  #delete({ collection, namespace, name = '' }: Target, response: ServerResponse): void {
    if (!this.#objects.has(keyOf(collection, namespace, name))) {
      refuse(response, 404, 'NotFound');
      return;
    }
    this.remove(collection, name, namespace);
    answer(response, 200, { kind: 'Status', status: 'Success' });
  }
}

/** RFC 7386. */
function merge(target: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change;
  const result: Json = { ...(typeof target === 'object' && !Array.isArray(target) ? (target as Json) : {}) };
  for (const [name, value] of Object.entries(change)) {
    if (value === null) Reflect.deleteProperty(result, name);
    else result[name] = merge(result[name], value);
  }
  return result;
}

function parse(path: string): Target | undefined {
  const match =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)\/(?:namespaces\/([^/]+)\/(?=[^/]+))?([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      path,
    );
  if (!match) return undefined;
  const [, group, version = '', namespace, plural = '', name, subresource] = match;
  return { collection: `${group === undefined ? '' : `${group}/`}${version}/${plural}`, namespace, name, subresource };
}

function keyOf(collection: string, namespace: string | undefined, name: string): string {
  return `${collection} ${namespace ?? ''} ${name}`;
}

function belongs(
  key: string,
  { collection, namespace }: { collection: string; namespace: string | undefined },
): boolean {
  return key.startsWith(namespace === undefined ? `${collection} ` : `${collection} ${namespace} `);
}

function line(event: Json): string {
  return `${JSON.stringify(event)}\n`;
}

function answer(response: ServerResponse, code: number, body: Json): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Answers as the API server refuses. */
export function refuse(response: ServerResponse, code: number, reason: string): void {
  answer(response, code, { kind: 'Status', status: 'Failure', code, reason, message: `${reason} on purpose` });
}
