// SPDX-License-Identifier: Apache-2.0
import { accessFromEnvironment, type Access } from './access.ts';
import { ApiError, isApiError } from './api-error.ts';
import {
  apiVersionOf,
  collectionPath,
  objectPath,
  type KubeObject,
  type ObjectName,
  type Resource,
} from './resource.ts';
import { Transport } from './transport.ts';
import { watchEvents, type WatchEvent } from './watch.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default 15 seconds. */
  readonly timeoutMs?: number | undefined;
  /** Have the server answer with metadata alone: no Secret's value then enters this process. */
  readonly metadataOnly?: boolean | undefined;
}

/** Which objects of a kind. */
export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends CallOptions {
  /** Objects asked for at once, default 500. */
  readonly pageSize?: number;
}

export interface WatchOptions {
  /** Events after this version. */
  readonly resourceVersion: string;
  /** The server ends the watch after this time. */
  readonly timeoutSeconds: number;
  /** The watch counts as dead after this time without a byte. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly metadataOnly?: boolean | undefined;
  /** Called once the server has accepted the watch. */
  readonly onOpen?: () => void;
}

export interface ApplyOptions extends CallOptions {
  readonly fieldManager: string;
  /** Take over fields that another manager owns. Default true: a controller says what it wants. */
  readonly force?: boolean;
  readonly subresource?: 'status' | 'scale';
}

export interface CreateOptions extends CallOptions {
  readonly fieldManager?: string;
}

export interface PatchOptions extends CallOptions {
  /** `merge`: RFC 7386. `json`: RFC 6902, an array of operations. `strategic`: built-in kinds only. */
  readonly type: 'merge' | 'json' | 'strategic';
  readonly fieldManager?: string;
  readonly subresource?: 'status' | 'scale';
}

export interface DeleteOptions extends CallOptions {
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  /** Delete only this very object: a Conflict is thrown where the name has been taken by another. */
  readonly uid?: string;
  readonly gracePeriodSeconds?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

interface ListBody<T> {
  readonly items?: readonly T[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** The Kubernetes API for any kind, by its Resource. All methods throw ApiError. */
export class KubeClient {
  /** Namespace of the service account or of the kubeconfig's context. */
  readonly namespace: string;
  readonly #transport: Transport;

  constructor(access: Access) {
    this.namespace = access.namespace;
    this.#transport = new Transport(access);
  }

  /** A client by `KUBECONFIG`, service account or `~/.kube/config`; does not connect yet. Throws `InvalidConfiguration`. */
  static async fromEnvironment(env: NodeJS.ProcessEnv): Promise<KubeClient> {
    return new KubeClient(await accessFromEnvironment(env));
  }

  /** The API server's clock minus ours in ms, at the last answer; undefined before the first. */
  get clockSkewMs(): number | undefined {
    return this.#transport.clockSkewMs;
  }

  /** The API server's time now, by a clock that cannot be set here; undefined before its first answer. */
  get serverTimeMs(): number | undefined {
    return this.#transport.serverTimeMs;
  }

  close(): void {
    this.#transport.close();
  }

  async get<T extends KubeObject>(of: Resource<T>, name: ObjectName, options: CallOptions = {}): Promise<T> {
    return this.#json('GET', objectPath(of, name), options);
  }

  /** Like `get`, but undefined where the object does not exist. */
  async find<T extends KubeObject>(
    of: Resource<T>,
    name: ObjectName,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.get(of, name, options);
    } catch (thrown) {
      if (isApiError(thrown) && thrown.status === 404) return undefined;
      throw thrown;
    }
  }

  /** All objects of a selection, page by page, so that a large list is never held as one text. */
  async *pages<T extends KubeObject>(
    of: Resource<T>,
    selection: Selection = {},
    { pageSize = 500, ...options }: ListOptions = {},
  ): AsyncGenerator<Page<T>, void, undefined> {
    let next: string | undefined;
    do {
      const query = queryOf({ ...selectorsOf(selection), limit: pageSize, continue: next });
      const body: ListBody<T> = await this.#json('GET', collectionPath(of, selection.namespace) + query, options, {
        list: true,
      });
      yield { items: body.items ?? [], resourceVersion: body.metadata?.resourceVersion ?? '' };
      next = body.metadata?.continue;
    } while (next !== undefined && next !== '');
  }

  async list<T extends KubeObject>(
    of: Resource<T>,
    selection: Selection = {},
    options: ListOptions = {},
  ): Promise<T[]> {
    const items: T[] = [];
    for await (const page of this.pages(of, selection, options)) items.push(...page.items);
    return items;
  }

  /** Events after `resourceVersion`, with bookmarks. Returns when the server ends the watch; see `watchEvents`. */
  async *watch<T extends KubeObject>(
    of: Resource<T>,
    selection: Selection,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { resourceVersion, timeoutSeconds, silenceMs, signal, onOpen, metadataOnly } = options;
    const query = queryOf({
      ...selectorsOf(selection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds,
    });
    const path = collectionPath(of, selection.namespace) + query;
    const stream = await this.#transport.open({ method: 'GET', path, signal, ...acceptOf(metadataOnly) });
    onOpen?.();
    yield* watchEvents<T>(stream, `WATCH ${collectionPath(of, selection.namespace)}`, silenceMs);
  }

  async create<T extends KubeObject>(of: Resource<T>, object: T, options: CreateOptions = {}): Promise<T> {
    const path = collectionPath(of, object.metadata?.namespace) + queryOf({ fieldManager: options.fieldManager });
    return this.#json('POST', path, options, { body: typed(of, object) });
  }

  /** Server-side apply: makes the named fields ours; fields that we applied before and leave out now are removed. */
  async apply<T extends KubeObject>(of: Resource<T>, object: T, options: ApplyOptions): Promise<T> {
    const { fieldManager, force = true, subresource } = options;
    const query = queryOf({ fieldManager, force: String(force) });
    const path = objectPath(of, namedBy(object), subresource) + query;
    return this.#json('PATCH', path, options, { body: typed(of, object), contentType: PATCH_TYPES.apply });
  }

  async patch<T extends KubeObject>(
    of: Resource<T>,
    name: ObjectName,
    change: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const path = objectPath(of, name, options.subresource) + queryOf({ fieldManager: options.fieldManager });
    return this.#json('PATCH', path, options, { body: change, contentType: PATCH_TYPES[options.type] });
  }

  /** Deletes an object; returns whether there was one. */
  async delete(of: Resource, name: ObjectName, options: DeleteOptions = {}): Promise<boolean> {
    const body = {
      propagationPolicy: options.propagation ?? 'Background',
      ...(options.uid !== undefined && { preconditions: { uid: options.uid } }),
      ...(options.gracePeriodSeconds !== undefined && { gracePeriodSeconds: options.gracePeriodSeconds }),
    };
    try {
      await this.#json('DELETE', objectPath(of, name), options, { body });
      return true;
    } catch (thrown) {
      if (isApiError(thrown) && thrown.status === 404) return false;
      throw thrown;
    }
  }

  /** Creates a subresource object (`eviction`, `token`, …) of a named object. */
  async createSubresource<T extends KubeObject>(
    of: Resource,
    name: ObjectName,
    { subresource, body }: { subresource: string; body: KubeObject },
    options: CallOptions = {},
  ): Promise<T> {
    return this.#json('POST', objectPath(of, name, subresource), options, { body });
  }

  /** Whether the server serves this very group, version and kind. */
  async serves(of: Resource, options: CallOptions = {}): Promise<boolean> {
    const path = of.group === '' ? `/api/${of.version}` : `/apis/${apiVersionOf(of)}`;
    try {
      const found: { resources?: { name: string }[] } = await this.#json('GET', path, options);
      return (found.resources ?? []).some(({ name }) => name === of.plural);
    } catch (thrown) {
      if (isApiError(thrown) && thrown.status === 404) return false;
      throw thrown;
    }
  }

  /** `/version` of the server. */
  async version(options: CallOptions = {}): Promise<{ gitVersion: string }> {
    return this.#json('GET', '/version', options);
  }

  async #json<R>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    { signal, timeoutMs, metadataOnly }: CallOptions,
    content?: { readonly body?: unknown; readonly contentType?: string; readonly list?: boolean },
  ): Promise<R> {
    const text = await this.#transport.send({
      method,
      path,
      signal,
      timeoutMs,
      ...acceptOf(metadataOnly, content?.list === true ? 'PartialObjectMetadataList' : undefined),
      ...(content?.body !== undefined && {
        body: JSON.stringify(content.body),
        contentType: content.contentType ?? 'application/json',
      }),
    });
    try {
      return JSON.parse(text) as R;
    } catch (thrown) {
      throw new ApiError({ code: 0, message: 'the answer is not JSON' }, `${method} ${path}`, { cause: thrown });
    }
  }
}

function acceptOf(metadataOnly: boolean | undefined, kind = 'PartialObjectMetadata'): { accept?: string } {
  return metadataOnly === true ? { accept: `application/json;as=${kind};v=v1;g=meta.k8s.io` } : {};
}

function typed<T extends KubeObject>(of: Resource<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(of), kind: of.kind };
}

function namedBy(object: KubeObject): ObjectName {
  return { namespace: object.metadata?.namespace, name: object.metadata?.name ?? '' };
}

function selectorsOf({ labelSelector, fieldSelector }: Selection): Record<string, string | undefined> {
  return { labelSelector, fieldSelector };
}

function queryOf(parameters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
