// SPDX-License-Identifier: Apache-2.0
import type { AliveContainer, ContainerEvent } from './port.ts';

interface Told {
  readonly phase: 'Starting' | 'Started';
  readonly podUid: string | undefined;
}

/**
 * Remembers of which containers starts were told, so that several sources make one story: each phase once, exits only
 * after starts, and after a gap what was missed.
 */
export class Ledger {
  readonly #told = new Map<string, Told>();
  /** Containers of which anything was told while a list of containers was under way: the list is older news of them. Empty else. */
  readonly #touched = new Set<string>();
  #isListing = false;

  /** Takes note of an event. Gives it with what is known besides, or undefined where it is no news. */
  admit(event: ContainerEvent): ContainerEvent | undefined {
    const { containerId, phase } = event;
    const told = this.#told.get(containerId);
    const podUid = event.podUid ?? told?.podUid;
    const known = podUid === undefined ? event : { ...event, podUid };
    if (this.#isListing) this.#touched.add(containerId);
    // News of a container that runs says nothing of its start; it may come more than once.
    if (phase === 'Entered' || phase === 'OutOfMemory') return told && known;
    if (phase === 'Exited') return this.#told.delete(containerId) ? known : undefined;
    if (told?.phase === 'Started' || told?.phase === phase) return undefined;
    this.#told.set(containerId, { phase, podUid });
    return known;
  }

  /** Whether the start of a container was told of and its end was not. */
  holds(containerId: string): boolean {
    return this.#told.has(containerId);
  }

  /** Call before asking for the list that `missed` gets. */
  beginList(): void {
    this.#touched.clear();
    this.#isListing = true;
  }

  /** The events that were missed, judged by a list of all containers that are alive; they still have to be admitted. */
  missed(alive: readonly AliveContainer[]): readonly ContainerEvent[] {
    const ids = new Set(alive.map(({ id }) => id));
    const gone = [...this.#told.keys()].filter((id) => !ids.has(id) && !this.#touched.has(id));
    const started = alive.filter(
      ({ id, running }) => running && !this.#touched.has(id) && this.#told.get(id)?.phase !== 'Started',
    );
    this.#touched.clear();
    this.#isListing = false;
    return [
      ...gone.map((containerId) => ({ phase: 'Exited', containerId }) as const),
      ...started.map(({ id, podUid }) => ({ phase: 'Started', containerId: id, podUid }) as const),
    ];
  }
}
