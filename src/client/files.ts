// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, realpathSync, watch } from 'node:fs';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import { identityState, type IdentityState } from './state.ts';

/** A missed notice of the kernel costs at most this long, milliseconds. */
const LOOK_MS = 10_000;

/** The identity in a folder of files, as it is now. Throws Unavailable while there is none. */
export function readIdentity(folder: string): IdentityState {
  // Resolved once: all files are then of one revision, whatever is swapped in meanwhile.
  const revision = existsSync(join(folder, '..data')) ? realpathSync(join(folder, '..data')) : folder;
  const chain = read(revision, 'tls.crt');
  const trustAnchors = read(revision, 'ca.crt');
  // A Secret holds empty entries before the attestation and after a withdrawal.
  if (!chain || !trustAnchors) {
    throw new KeysteadError('Unavailable', `there is no identity in ${folder} yet: the module has not been attested`);
  }
  return identityState({ chain, trustAnchors, privateKey: read(revision, 'tls.key') });
}

/** Gives the identity in a folder, and again after each change, until the signal aborts. Waits while there is none. */
export async function* followFiles(folder: string, signal: AbortSignal): AsyncGenerator<IdentityState, void> {
  let last = '';
  let wake = (): void => undefined;
  const watcher = watch(folder, { persistent: false }, () => wake());
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, LOOK_MS).unref();
      });
      const state = ifThere(folder);
      const text = JSON.stringify(state);
      if (state && text !== last) yield state;
      last = text;
      await changed;
    }
  } finally {
    watcher.close();
  }
}

function ifThere(folder: string): IdentityState | undefined {
  try {
    return readIdentity(folder);
  } catch (thrown) {
    if (thrown instanceof KeysteadError && thrown.code === 'Unavailable') return undefined;
    throw thrown;
  }
}

function read(folder: string, name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
