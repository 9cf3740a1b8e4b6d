// SPDX-License-Identifier: Apache-2.0
import type { AliveContainer, ContainerEvent } from './port.ts';

/**
 * Remembers of which containers starts were told, so that several sources make one story: each phase once, exits only
 * after starts, and after a gap what was missed.
 */
export class Ledger {
  readonly #told = new Map<string, 'Starting' | 'Started'>();
  /** Containers of which anything was told while a list of containers was under way: the list is older news of them. */
  #touched = new Set<string>();

  /** Whether an event is news; takes note of it. */
  admit(event: ContainerEvent): boolean {
    const told = this.#told.get(event.containerId);
    this.#touched.add(event.containerId);
    if (event.phase === 'Exited') return this.#told.delete(event.containerId);
    if (told === 'Started' || told === event.phase) return false;
    this.#told.set(event.containerId, event.phase);
    return true;
  }

  /** Call before asking for the list that `missed` gets. */
  beginList(): void {
    this.#touched = new Set();
  }

  /** The events that were missed, judged by a list of all containers that are alive; they still have to be admitted. */
  missed(alive: readonly AliveContainer[]): readonly ContainerEvent[] {
    const ids = new Set(alive.map(({ id }) => id));
    const gone = [...this.#told.keys()].filter((id) => !ids.has(id) && !this.#touched.has(id));
    const started = alive.filter(
      ({ id, running }) => running && !this.#touched.has(id) && this.#told.get(id) !== 'Started',
    );
    return [
      ...gone.map((containerId) => ({ phase: 'Exited', containerId }) as const),
      ...started.map(({ id, podUid }) => ({ phase: 'Started', containerId: id, podUid }) as const),
    ];
  }
}
