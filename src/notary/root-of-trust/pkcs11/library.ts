// SPDX-License-Identifier: Apache-2.0
import { realpathSync } from 'node:fs';
import { KeysteadError } from '../../../errors.ts';
import { CK, handleNumber, newCryptoki, type Cryptoki, type Handle } from './cryptoki.ts';
import { unpadded } from './quirks.ts';
import { returnValueOf, tokenError } from './return-values.ts';

/** A token as the library lists it. */
export interface SlotToken {
  readonly slot: Handle;
  readonly slotNumber: number;
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly flags: number;
}

/**
 * A loaded and initialised PKCS#11 library. Its state is the whole process's: after `restart` every handle of
 * everybody is void and may be given out again for something else, therefore `generation` must be compared before use.
 */
export class Pkcs11Library {
  readonly path: string;
  readonly cryptoki: Cryptoki;
  #generation = 0;

  /** Loads and initialises. Throws TokenLibraryUnusable. */
  constructor(path: string, cryptoki: Cryptoki = newCryptoki()) {
    this.path = path;
    this.cryptoki = cryptoki;
    try {
      cryptoki.load(path);
    } catch (thrown) {
      const found = thrown instanceof Error ? thrown.message : String(thrown);
      const remedy = 'set the path of a PKCS#11 library that is present in the notary container';
      throw new KeysteadError('TokenLibraryUnusable', `cannot load the PKCS#11 library ${path}: ${found}; ${remedy}`);
    }
    this.#initialize();
  }

  /** Grows with each restart; handles from another generation are void. */
  get generation(): number {
    return this.#generation;
  }

  /** Initialised tokens in all slots, as they are now as far as the library notices changes while it runs. */
  tokens(): SlotToken[] {
    const slots = this.cryptoki.C_GetSlotList(true);
    return slots.flatMap((slot) => this.#token(slot) ?? []);
  }

  /** What a token says of itself now; what it said before where it does not answer. */
  flags(token: SlotToken): number {
    try {
      return this.#token(token.slot)?.flags ?? token.flags;
    } catch {
      return token.flags;
    }
  }

  /** Finalises and initialises anew: some libraries, SoftHSM2 among them, see new tokens only then. */
  restart(): void {
    this.#generation++;
    try {
      this.cryptoki.C_Finalize();
    } catch (thrown) {
      if (returnValueOf(thrown) !== 'CKR_CRYPTOKI_NOT_INITIALIZED') throw tokenError(thrown);
    }
    this.#initialize();
  }

  finalize(): void {
    this.#generation++;
    this.cryptoki.C_Finalize();
  }

  #token(slot: Handle): SlotToken | undefined {
    try {
      const info = this.cryptoki.C_GetTokenInfo(slot);
      if ((info.flags & CK.CKF_TOKEN_INITIALIZED) === 0) return undefined;
      return {
        slot,
        slotNumber: handleNumber(slot),
        label: unpadded(info.label),
        serial: unpadded(info.serialNumber),
        manufacturer: unpadded(info.manufacturerID),
        model: unpadded(info.model),
        flags: info.flags,
      };
    } catch (thrown) {
      // Pulled out between the two calls; another slot's token may still be the one.
      if (tokenError(thrown).code === 'TokenAbsent') return undefined;
      throw tokenError(thrown);
    }
  }

  #initialize(): void {
    try {
      this.cryptoki.C_Initialize({ flags: CK.CKF_OS_LOCKING_OK });
    } catch (thrown) {
      if (returnValueOf(thrown) === 'CKR_CRYPTOKI_ALREADY_INITIALIZED') return;
      const { message } = tokenError(thrown);
      throw new KeysteadError('TokenLibraryUnusable', `the PKCS#11 library ${this.path} does not start: ${message}`, {
        cause: thrown,
      });
    }
  }
}

/** The libraries of this process, each loaded once; they are never unloaded, vendors' code rarely survives that. */
export class Pkcs11Libraries {
  readonly #loaded = new Map<string, Pkcs11Library>();
  readonly #newCryptoki: () => Cryptoki;

  constructor(create: () => Cryptoki = newCryptoki) {
    this.#newCryptoki = create;
  }

  /** The library behind a path, loaded at the first call. Throws TokenLibraryUnusable naming the path. */
  open(path: string): Pkcs11Library {
    const key = resolvedLibrary(path);
    const loaded = this.#loaded.get(key) ?? new Pkcs11Library(path, this.#newCryptoki());
    this.#loaded.set(key, loaded);
    return loaded;
  }

  /** Finalises all; for the end of the process. */
  finalize(): void {
    for (const library of this.#loaded.values()) library.finalize();
    this.#loaded.clear();
  }
}

/** The file behind links, so that one library is not taken for two. */
export function resolvedLibrary(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
