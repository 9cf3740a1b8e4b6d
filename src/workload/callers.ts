// SPDX-License-Identifier: Apache-2.0
import type { Verdict } from '../attest/port.ts';
import { KeysteadError } from '../errors.ts';
import type { Caller, WorkloadPorts } from './port.ts';

/**
 * How long a verdict on one program in one process counts, in milliseconds. What changes meanwhile without an exec (new
 * code mapped, new rules) is found by the re-measurement of the whole container, which empties the store.
 */
const ALLOWED_MS = 30_000;
/** Short, so that a mistake put right counts at once; long enough that a refused process cannot keep the node busy. */
const DENIED_MS = 1_000;
/** More than the processes of any node's modules; old entries go first. */
const REMEMBERED = 4_096;

interface Remembered {
  readonly verdict: Promise<Verdict | undefined>;
  /** Known once the verdict is there. */
  allowed?: boolean;
  until: number;
}

export interface CallersOptions {
  readonly ports: Pick<WorkloadPorts, 'judge'>;
  /** Milliseconds of a clock that only goes forward. Default `performance.now`. */
  readonly now?: () => number;
}

/** Decides whether the process that calls is the module: measured in full once, then recognised cheaply. */
export class Callers {
  readonly #ports: CallersOptions['ports'];
  readonly #now: () => number;
  readonly #remembered = new Map<string, Remembered>();

  constructor({ ports, now = () => performance.now() }: CallersOptions) {
    this.#ports = ports;
    this.#now = now;
  }

  /**
   * Resolves where the caller is the module of the pod whose socket it called, with what `recognise` knows it by.
   * @throws KeysteadError `PermissionDenied` with the rule's reason first; `Unavailable` where it cannot be told yet.
   */
  async admit(caller: Caller): Promise<string> {
    const incarnation = this.#incarnation(caller);
    if (this.#isAllowed(caller, incarnation)) return incarnation;
    const verdict = await this.#verdict(caller, incarnation);
    // What was measured must still be what calls: the answer goes to whoever holds the connection now.
    if (this.#incarnation(caller) !== incarnation) {
      throw new KeysteadError('PermissionDenied', 'CallerChanged: the calling process has started another program');
    }
    if (verdict === undefined) {
      throw new KeysteadError('Unavailable', 'this pod is not known to the agent yet; ask again');
    }
    if (!verdict.allowed) throw new KeysteadError('PermissionDenied', `${verdict.reason}: ${verdict.message}`);
    return incarnation;
  }

  /** The same cheaply, for a caller that was admitted before: it lives and runs the same program. */
  recognise(caller: Caller, incarnation: string): boolean {
    return caller.incarnation() === incarnation;
  }

  /** The rules or the pod have changed: what was found of its processes does not count any more. */
  forget(podUid: string): void {
    for (const key of this.#remembered.keys()) if (key.startsWith(`${podUid}/`)) this.#remembered.delete(key);
  }

  #incarnation(caller: Caller): string {
    const incarnation = caller.incarnation();
    if (incarnation !== undefined) return incarnation;
    throw new KeysteadError('PermissionDenied', 'CallerGone: the process that opened this connection has ended');
  }

  /** Whether that program in that process was found to be the module a short while ago. */
  #isAllowed({ podUid, pid }: Caller, incarnation: string): boolean {
    const { allowed, until = 0 } = this.#remembered.get(keyOf(podUid, pid, incarnation)) ?? {};
    return allowed === true && until > this.#now();
  }

  #verdict({ podUid, pid }: Caller, incarnation: string): Promise<Verdict | undefined> {
    const key = keyOf(podUid, pid, incarnation);
    const before = this.#remembered.get(key);
    if (before && before.until > this.#now()) return before.verdict;
    const verdict = this.#ports.judge(podUid, pid);
    // Calls that come while it is measured share the measure.
    const entry: Remembered = { verdict, until: Infinity };
    this.#remember(key, entry);
    verdict.then(
      (found) => {
        entry.allowed = found?.allowed === true;
        entry.until = this.#now() + lifetime(found);
      },
      () => (entry.until = 0),
    );
    return verdict;
  }

  #remember(key: string, entry: Remembered): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, entry);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }
}

const keyOf = (podUid: string, pid: number, incarnation: string): string => `${podUid}/${pid}/${incarnation}`;

function lifetime(verdict: Verdict | undefined): number {
  if (verdict === undefined) return 0;
  return verdict.allowed ? ALLOWED_MS : DENIED_MS;
}
