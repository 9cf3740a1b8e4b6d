// SPDX-License-Identifier: Apache-2.0
import type { Credentials } from '../deliver/port.ts';
import type { ServedIdentity } from './port.ts';

/**
 * What the sockets of this node's pods serve: the one place that streams read, filled by delivery as volumes are. Lies
 * in memory only; after a restart of the agent it is filled from the volumes, or issued anew where there are none.
 */
export class ServedCredentials {
  readonly #pods = new Map<string, Map<string, Credentials>>();
  readonly #changed: (podUid: string) => void;

  /** `changed` is called after every change, from within the call that made it. */
  constructor(changed: (podUid: string) => void) {
    this.#changed = changed;
  }

  current(podUid: string, identity: string): Credentials | undefined {
    return this.#pods.get(podUid)?.get(identity);
  }

  /** All identities of a pod, by name. */
  list(podUid: string): readonly ServedIdentity[] {
    const served = [...(this.#pods.get(podUid) ?? [])].map(([identity, credentials]) => ({ identity, credentials }));
    return served.sort((left, right) => (left.identity < right.identity ? -1 : 1));
  }

  put(podUid: string, identity: string, credentials: Credentials): void {
    const pod = this.#pods.get(podUid) ?? new Map<string, Credentials>();
    this.#pods.set(podUid, pod.set(identity, credentials));
    this.#changed(podUid);
  }

  /** Takes back one identity. */
  withdraw(podUid: string, identity: string): void {
    const pod = this.#pods.get(podUid);
    if (pod?.delete(identity) !== true) return;
    if (pod.size === 0) this.#pods.delete(podUid);
    this.#changed(podUid);
  }

  /** Takes back every identity but these. */
  retain(podUid: string, identities: readonly string[]): void {
    for (const { identity } of this.list(podUid)) if (!identities.includes(identity)) this.withdraw(podUid, identity);
  }
}
