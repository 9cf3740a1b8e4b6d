// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { Callers } from './callers.ts';
import type { Changes } from './changes.ts';
import type { Caller, ServedIdentity, Standing } from './port.ts';

/** How long a first answer may wait for the verdict, and a stream between two verdicts, in milliseconds. */
const FIRST_MS = 5_000;
const BETWEEN_MS = 1_000;

export interface PodStreamParts {
  readonly callers: Pick<Callers, 'admit' | 'recognise'>;
  readonly changes: Changes;
  standing(podUid: string): Standing;
}

/**
 * The identities of a caller's pod as they are now, and again after each change: the loop behind every streaming method
 * (SPIFFE Workload API, section 4.3: the first message at once, then the full set whenever something has changed).
 * Ends without an error when the signal aborts.
 * @throws KeysteadError `PermissionDenied` where the caller is not the module, and when what it held is withdrawn;
 *   `Unavailable` where it cannot be told yet, or nothing can be issued just now.
 */
export async function* podStream(
  caller: Caller,
  signal: AbortSignal,
  { callers, changes, ...parts }: PodStreamParts,
): AsyncGenerator<readonly ServedIdentity[], void> {
  const incarnation = await callers.admit(caller);
  const { podUid } = caller;
  let held = false;
  let hasWaited = false;
  // Nothing has happened between the admission and the first look.
  for (let admitted = true; !signal.aborted; admitted = false) {
    const version = changes.version(podUid);
    if (!admitted && !callers.recognise(caller, incarnation)) throw gone();
    const now = parts.standing(podUid);
    if (now.state === 'Refused') throw refusal(now);
    if (held && changes.ending) throw ending();
    const given = held || hasWaited || isWhole(now);
    if (now.state === 'Held' && given) {
      yield now.served;
      held = true;
      if (changes.ending) throw ending();
    }
    const milliseconds = patienceOf(now, { held, given });
    const waited = await changes.after(podUid, version, { signal, milliseconds });
    hasWaited = waited === 'Late';
    if (hasWaited && now.state === 'Pending') throw nothing(held);
  }
}

/** Who asks for one identity of several shall not be told that he has it not while it is on its way. */
const isWhole = (now: Standing): boolean => now.state === 'Held' && now.partial !== true;

function patienceOf(now: Standing, { held, given }: { readonly held: boolean; readonly given: boolean }): number {
  if (now.state === 'Held') return given ? Infinity : BETWEEN_MS;
  return held ? BETWEEN_MS : FIRST_MS;
}

/** Throws where one of these identities is not held any more. */
export function requireHeld(served: readonly ServedIdentity[], now: Standing): void {
  if (now.state === 'Refused') throw refusal(now);
  const held = now.state === 'Held' ? now.served : [];
  if (served.every(({ identity }) => held.some((each) => each.identity === identity))) return;
  throw new KeysteadError('Unavailable', 'what this pod holds has changed during the call; ask again');
}

function refusal({ reason, message, passing }: Extract<Standing, { state: 'Refused' }>): KeysteadError {
  return new KeysteadError(passing ? 'Unavailable' : 'PermissionDenied', `${reason}: ${message}`);
}

const gone = (): KeysteadError =>
  new KeysteadError('PermissionDenied', 'CallerGone: the process that was attested does not hold this connection');
const withdrawn = (): KeysteadError =>
  new KeysteadError('PermissionDenied', 'IdentityWithdrawn: this pod holds no identity any more');
const ending = (): KeysteadError =>
  new KeysteadError('Unavailable', 'the agent of this node is replaced by the next; connect again');
const nothing = (held: boolean): KeysteadError => (held ? withdrawn() : notYet());
const notYet = (): KeysteadError =>
  new KeysteadError(
    'Unavailable',
    'the module has not been attested yet, or no identity reaches it by Socket; ask again',
  );
