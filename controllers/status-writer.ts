// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../src/api/conditions.ts';
import { CONTROLLER_MANAGER } from '../src/api/names.ts';
import { keyOf, type Events, type KubeClient, type KubeObject, type Resource } from '../src/kube/index.ts';
import { conditionEvents } from './condition-events.ts';

export interface StatusWriterPorts {
  readonly client: Pick<KubeClient, 'apply'>;
  readonly events: Pick<Events, 'emit'>;
}

export interface StatusWriterOptions {
  /** What the Events say was being done. */
  readonly action: string;
  /** Fields of the status that others write. */
  readonly foreign?: readonly string[];
  /** Where most of the status is another's: the fields that are ours, and the types of conditions. */
  readonly shared?: { readonly fields: readonly string[]; readonly conditions: readonly string[] };
}

interface Reported extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/**
 * Writes the controller's part of a kind's status by server-side apply, where it differs from what is there, and the
 * Events that the change is worth.
 */
export class StatusWriter<T extends Reported> {
  readonly #ports: StatusWriterPorts;
  readonly #of: Resource<T>;
  /** What the Events say was being done. */
  readonly #action: string;
  /** Fields of the status that others write. */
  readonly #foreign: readonly string[];
  readonly #shared: StatusWriterOptions['shared'];
  /** Our last write of each object, by the version of the object that it was based on. */
  readonly #written = new Map<string, { readonly version: string | undefined; readonly object: T }>();

  constructor(ports: StatusWriterPorts, of: Resource<T>, { action, foreign = [], shared }: StatusWriterOptions) {
    this.#ports = ports;
    this.#of = of;
    this.#action = action;
    this.#foreign = foreign;
    this.#shared = shared;
  }

  /** A cached object, with our last write in it where the cache has not seen that yet. */
  latest(cached: T): T {
    const written = this.#written.get(keyOf(cached));
    if (written && written.version === cached.metadata?.resourceVersion)
      return { ...cached, status: written.object.status };
    if (written) this.#written.delete(keyOf(cached));
    return cached;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }

  /** `status` must be all that the controller has to say: what it said before and leaves out now is removed. */
  async write(object: T, status: NonNullable<T['status']>): Promise<void> {
    if (isDeepStrictEqual(this.#own(object.status), status)) return;
    const { namespace, name = '' } = object.metadata ?? {};
    const metadata = { name, ...(namespace !== undefined && { namespace }) };
    const applied = await this.#ports.client.apply(this.#of, { metadata, status } as unknown as T, {
      fieldManager: CONTROLLER_MANAGER,
      subresource: 'status',
    });
    this.#written.set(keyOf(object), { version: object.metadata?.resourceVersion, object: applied });
    for (const occurrence of conditionEvents(object.status?.conditions, status.conditions ?? [], this.#action)) {
      this.#ports.events.emit(this.#of, object, occurrence);
    }
  }

  #own(status: Reported['status']): Record<string, unknown> {
    const entries = Object.entries(status ?? {});
    const shared = this.#shared;
    if (!shared) return Object.fromEntries(entries.filter(([field]) => !this.#foreign.includes(field)));
    const conditions = (status?.conditions ?? []).filter(({ type }) => shared.conditions.includes(type));
    const own = entries.filter(([field]) => shared.fields.includes(field));
    return { ...Object.fromEntries(own), ...(conditions.length > 0 && { conditions }) };
  }
}
