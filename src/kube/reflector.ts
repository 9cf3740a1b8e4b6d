// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../log.ts';
import { ApiError } from './api-error.ts';
import { backOffMs, pause, type BackOffLimits } from './back-off.ts';
import type { KubeClient, Selection } from './client.ts';
import { keyOf, type KubeObject, type Resource } from './resource.ts';
import { Store, type IndexFunction } from './store.ts';
import type { WatchEvent } from './watch.ts';

/** Told which object changed, never how: `current` is undefined where it is gone, `previous` where it is new. */
export type ChangeListener<C> = (key: string, current: C | undefined, previous: C | undefined) => void;

export interface ReflectorOptions<T extends KubeObject, C extends KubeObject = T> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly log: Logger;
  readonly selection?: Selection;
  /** Ask for metadata alone. */
  readonly metadataOnly?: boolean;
  /** What to keep of an object; undefined keeps nothing of it. `managedFields` are dropped in any case. */
  readonly transform?: (object: T) => C | undefined;
  readonly indexes?: Readonly<Record<string, IndexFunction<C>>>;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  readonly pageSize: number;
  readonly backOff: BackOffLimits;
  /** A watch without a byte for so long is taken up anew from where it stood. */
  readonly silenceMs: number;
  /** The server ends a watch after one to two times this. */
  readonly watchSeconds: number;
}

const TIMING: ReflectorTiming = {
  pageSize: 500,
  backOff: { initialMs: 250, maxMs: 15_000 },
  silenceMs: 90_000,
  watchSeconds: 300,
};

/**
 * A local copy of all objects of a selection, kept current by list and watch. It never gives up: while the API
 * server is away it goes on serving what it last saw, and takes up the watch where it stood when the server is back.
 * Cached objects are shared and must not be changed.
 */
export class Reflector<T extends KubeObject = KubeObject, C extends KubeObject = T> {
  /** Fulfilled once the first list is in the cache. */
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T, C>;
  readonly #timing: ReflectorTiming;
  readonly #store: Store<C>;
  readonly #listeners: ChangeListener<C>[] = [];
  readonly #resolveSynced: () => void;
  #version: string | undefined;
  #hasSynced = false;
  #connected = false;
  #lastError: ApiError | undefined;
  #lostAt: number | undefined;

  constructor(options: ReflectorOptions<T, C>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#store = new Store(options.indexes);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.synced = promise;
    this.#resolveSynced = () => resolve(undefined);
  }

  get resource(): Resource<T> {
    return this.#options.resource;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Whether the cache follows the server just now; false while it serves what it last saw. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Why the cache does not follow the server, while it does not. */
  get lastError(): ApiError | undefined {
    return this.#lastError;
  }

  /** Milliseconds for which the cache has not followed the server; 0 while it does. By a clock that cannot be set. */
  get awayMs(): number {
    return this.#lostAt === undefined ? 0 : performance.now() - this.#lostAt;
  }

  get size(): number {
    return this.#store.size;
  }

  get(key: string): C | undefined {
    return this.#store.get(key);
  }

  keys(): string[] {
    return this.#store.keys();
  }

  list(): C[] {
    return this.#store.list();
  }

  /** Objects that stand under `value` in a declared index. */
  by(index: string, value: string): C[] {
    return this.#store.by(index, value);
  }

  /** Adds a listener; call it before `run`, so that it misses nothing. Listeners must not throw. */
  onChange(listener: ChangeListener<C>): void {
    this.#listeners.push(listener);
  }

  /**
   * Fills a cache that the server has not filled, with what it once held; the first list puts it right. It then counts as
   * filled for those who wait, though not as synced.
   */
  seed(objects: readonly C[]): void {
    if (this.#hasSynced) return;
    for (const object of objects) this.#set(keyOf(object), object);
    this.#resolveSynced();
  }

  /** Follows the server until the signal is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    const stopped = (): boolean => signal.aborted;
    while (!stopped()) {
      const startedAt = Date.now();
      try {
        if (this.#version === undefined) await this.#relist(signal);
        await this.#watch(signal);
        failures = 0;
        // A server that ends every watch at once must not be asked in a tight loop.
        if (Date.now() - startedAt < 1000) await pause(backOffMs(2, this.#timing.backOff), signal);
      } catch (thrown) {
        if (stopped()) break;
        // A watch that ran for a while and then broke is not one more failure in a row.
        failures = Date.now() - startedAt > this.#timing.backOff.maxMs ? 1 : failures + 1;
        await pause(this.#failed(thrown, failures), signal);
      }
    }
    this.#connected = false;
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { client, resource, selection, metadataOnly } = this.#options;
    const seen = new Set<string>();
    let version = '';
    for await (const page of client.pages(resource, selection, {
      pageSize: this.#timing.pageSize,
      signal,
      metadataOnly,
    })) {
      version = page.resourceVersion;
      for (const object of page.items) {
        seen.add(keyOf(object));
        this.#put(object);
      }
    }
    for (const key of this.#store.keys()) {
      if (!seen.has(key)) this.#set(key, undefined);
    }
    this.#version = version;
    this.#hasSynced = true;
    this.#healthy();
    this.#resolveSynced();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, selection = {}, metadataOnly } = this.#options;
    const timeoutSeconds = Math.ceil(this.#timing.watchSeconds * (1 + Math.random()));
    const resourceVersion = this.#version ?? '';
    const { silenceMs } = this.#timing;
    const onOpen = (): void => this.#healthy();
    const options = { resourceVersion, timeoutSeconds, silenceMs, signal, onOpen, metadataOnly };
    for await (const event of client.watch(resource, selection, options)) this.#take(event);
  }

  #take({ type, object }: WatchEvent<T>): void {
    this.#version = object.metadata?.resourceVersion ?? this.#version;
    if (type === 'DELETED') this.#set(keyOf(object), undefined);
    else if (type !== 'BOOKMARK') this.#put(object);
  }

  #put(object: T): void {
    const key = keyOf(object);
    const version = object.metadata?.resourceVersion;
    if (version !== undefined && this.#store.get(key)?.metadata?.resourceVersion === version) return;
    delete (object.metadata as { managedFields?: unknown } | undefined)?.managedFields;
    const { transform } = this.#options;
    this.#set(key, transform ? transform(object) : (object as unknown as C));
  }

  #set(key: string, object: C | undefined): void {
    const previous = this.#store.set(key, object);
    if (previous === undefined && object === undefined) return;
    for (const listener of this.#listeners) listener(key, object, previous);
  }

  #healthy(): void {
    if (!this.#connected && this.#lastError) this.#options.log.info({ kind: this.resource.kind }, 'watch restored');
    this.#connected = true;
    this.#lastError = undefined;
    this.#lostAt = undefined;
  }

  /** Notes a failure and says how long to wait. */
  #failed(thrown: unknown, failures: number): number {
    const error = thrown instanceof ApiError ? thrown : new ApiError({ code: 0, message: String(thrown) }, 'watch');
    if (error.status === 410) {
      // The version is too old for the server: list anew, at once the first time.
      this.#version = undefined;
      if (failures === 1) return 0;
    }
    if (!this.#lastError) this.#options.log.warn({ kind: this.resource.kind, err: error.message }, 'watch interrupted');
    this.#connected = false;
    this.#lastError = error;
    this.#lostAt ??= performance.now();
    return error.retryAfterMs ?? backOffMs(failures, this.#timing.backOff);
  }
}

/** Waits for all caches; rejects with the signal's reason when it is aborted first. */
export async function allSynced(
  reflectors: readonly { readonly synced: Promise<void> }[],
  signal: AbortSignal,
): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([Promise.all(reflectors.map(({ synced }) => synced)), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
