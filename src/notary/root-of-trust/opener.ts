// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../../log.ts';
import type { NotaryConfiguration } from '../port.ts';
import type { StateFolder } from '../state-folder.ts';
import { Pkcs11Libraries, resolvedLibrary } from './pkcs11/library.ts';
import { PinGuard } from './pkcs11/pin-guard.ts';
import { Pkcs11Root } from './pkcs11/root.ts';
import type { RootOfTrust } from './port.ts';

/** What a configuration says of a root of trust. */
export type RootOfTrustSettings = NotaryConfiguration['rootOfTrust'];

export interface RootOpenerOptions {
  readonly state: StateFolder;
  readonly log: Logger;
}

/**
 * Opens roots of trust; the one place that knows all kinds. Lives in the thread that uses what it opens, and keeps what
 * several openings share, such as loaded libraries.
 */
export class RootOpener {
  readonly #log: Logger;
  readonly #libraries = new Pkcs11Libraries();
  readonly #pins: PinGuard;

  constructor({ state, log }: RootOpenerOptions) {
    this.#log = log;
    this.#pins = new PinGuard(state);
  }

  /** Throws what the root of trust throws where it cannot be opened. */
  open({ pkcs11 }: RootOfTrustSettings): RootOfTrust {
    const { library, pinFile, ...choice } = pkcs11;
    const parts = { pins: this.#pins, log: this.#log };
    return new Pkcs11Root({ library: this.#libraries.open(library), choice, pinFile, ...parts });
  }

  /** Lets go of what is shared, after all that was opened has been closed: for the end of the thread. */
  close(): void {
    this.#libraries.finalize();
  }
}

/**
 * What a root of trust runs in, as text: a thread of its own each. It is the library and not the token, since a PKCS#11
 * library has one state for the whole process (PKCS#11 2.40, 2.5.2) and few vendors' bear two threads.
 */
export function placeOf({ pkcs11 }: RootOfTrustSettings): string {
  return `pkcs11:${resolvedLibrary(pkcs11.library)}`;
}
