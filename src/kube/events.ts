// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { Logger } from '../log.ts';
import type { KubeClient } from './client.ts';
import { kubeEvents, type KubeEvent, type ObjectReference } from './kinds.ts';
import { apiVersionOf, type KubeObject, type Resource } from './resource.ts';

/** What happened to an object, for its owner to read with `kubectl describe`. */
export interface Occurrence {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, stable. */
  readonly reason: string;
  /** CamelCase: what was being done. */
  readonly action: string;
  readonly note: string;
}

export interface EventsOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  /** For example `keystead.dev/controller`. */
  readonly controller: string;
  /** Which process: the pod's or node's name. */
  readonly instance: string;
  /** How long repetitions are counted before they are written. */
  readonly seriesMs?: number;
}

interface Series {
  readonly name: string;
  readonly namespace: string;
  readonly lastAt: number;
  readonly count: number;
  readonly flush: NodeJS.Timeout | undefined;
}

/** Kubernetes takes an event as a new one when its series has been silent for longer. */
const SERIES_GAP_MS = 6 * 60_000;
const MAX_SERIES = 1024;
const MAX_PENDING = 256;
const MAX_NOTE_BYTES = 1024;

/**
 * Writes Events in the background. The same occurrence on the same object becomes one Event with a count. Never
 * throws and never makes a reconciler wait: an Event that cannot be written is dropped.
 */
export class Events {
  readonly #options: EventsOptions;
  readonly #series = new Map<string, Series>();
  #pending = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  emit(of: Resource, object: KubeObject, occurrence: Occurrence): void {
    const regarding = referenceTo(of, object);
    const key = JSON.stringify([regarding.uid, regarding.name, occurrence]);
    const now = Date.now();
    const series = this.#series.get(key);
    if (series && now - series.lastAt < SERIES_GAP_MS) {
      const flush = series.flush ?? setTimeout(() => this.#flush(key), this.#options.seriesMs ?? 30_000).unref();
      this.#remember(key, { ...series, lastAt: now, count: series.count + 1, flush });
      return;
    }
    const event = this.#event(regarding, occurrence, now);
    const { name = '', namespace = '' } = event.metadata ?? {};
    this.#remember(key, { name, namespace, lastAt: now, count: 1, flush: undefined });
    this.#enqueue(() => this.#options.client.create(kubeEvents, event));
  }

  /** Waits until everything handed over so far is written or dropped; pending counts are written first. */
  async drain(): Promise<void> {
    for (const [key, { flush }] of this.#series) if (flush) this.#flush(key);
    await this.#tail;
  }

  #event(regarding: ObjectReference, { type, reason, action, note }: Occurrence, now: number): KubeEvent {
    const { controller, instance } = this.#options;
    const unique = createHash('sha256').update(`${instance} ${now} ${Math.random()}`).digest('hex').slice(0, 16);
    return {
      metadata: {
        namespace: regarding.namespace ?? 'default',
        name: `${(regarding.name ?? 'object').slice(0, 230)}.${unique}`,
      },
      eventTime: microTime(now),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      type,
      reason,
      action,
      note: cut(note),
      regarding,
    };
  }

  #flush(key: string): void {
    const series = this.#series.get(key);
    if (!series) return;
    clearTimeout(series.flush);
    this.#series.set(key, { ...series, flush: undefined });
    const change = { series: { count: series.count, lastObservedTime: microTime(series.lastAt) } };
    this.#enqueue(() => this.#options.client.patch(kubeEvents, series, change, { type: 'merge' }));
  }

  #remember(key: string, series: Series): void {
    this.#series.delete(key);
    this.#series.set(key, series);
    if (this.#series.size <= MAX_SERIES) return;
    const [oldest] = this.#series;
    if (!oldest) return;
    clearTimeout(oldest[1].flush);
    this.#series.delete(oldest[0]);
  }

  #enqueue(write: () => Promise<unknown>): void {
    if (this.#pending >= MAX_PENDING) return;
    this.#pending += 1;
    this.#tail = this.#tail
      .then(write)
      .catch((thrown: unknown) => this.#options.log.debug({ err: (thrown as Error).message }, 'event not written'))
      .finally(() => (this.#pending -= 1));
  }
}

/** A reference to an object, which need not carry its own kind (list items do not). */
export function referenceTo(of: Resource, object: KubeObject): ObjectReference {
  const { namespace, name = '', uid, resourceVersion } = object.metadata ?? {};
  return {
    apiVersion: apiVersionOf(of),
    kind: of.kind,
    name,
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  return `${bytes
    .subarray(0, MAX_NOTE_BYTES - 3)
    .toString()
    .replace(/\uFFFD+$/, '')}…`;
}
