// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import { SlotFile } from './slot-file.ts';

export interface IssuedKeysOptions {
  /** The notary's state folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** How many keys are remembered; the ones noted first are forgotten first. Default 16,384. */
  readonly capacity?: number;
}

interface Use {
  /** Digest of the SPIFFE ID, hex. */
  readonly holder: string;
  /** Seconds since the Unix epoch. */
  readonly until: number;
  readonly slot: number;
}

const FILE = 'issued-keys';
const CAPACITY = 16_384;
/** Half of a SHA-256: nobody gains from finding two keys with the same digest, and a match only refuses. */
const DIGEST_BYTES = 16;
/** Digest of the key, digest of its holder, end of the certificate (32 bits, big-endian seconds; 0 for an empty slot). */
const ENTRY_BYTES = 2 * DIGEST_BYTES + 4;
const UNTIL = 2 * DIGEST_BYTES;

/**
 * Remembers which SPIFFE ID each public key was certified for, so that no second module gets a certificate for a key that
 * is another's: one baked into an image, or copied. Slots of a file that are filled in a circle.
 */
export class IssuedKeys {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #file: SlotFile;
  readonly #uses = new Map<string, Use>();
  /** Key in each slot. */
  readonly #slots: (string | undefined)[] = [];
  #next = 0;

  /** The file is opened and read when it is first needed. */
  constructor({ folder, clock, capacity = CAPACITY }: IssuedKeysOptions) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#file = new SlotFile(join(folder, FILE), ENTRY_BYTES);
  }

  /**
   * Throws ProfileViolation where the key (SubjectPublicKeyInfo, DER) has a living certificate for another SPIFFE ID;
   * Unavailable where what is remembered cannot be read.
   */
  check(publicKey: Buffer, spiffeId: string): void {
    if (!this.#file.isOpen) this.#read(this.#file.open());
    const use = this.#uses.get(digest(publicKey));
    if (!use || use.until * 1000 < this.#clock.now() || use.holder === digest(spiffeId)) return;
    const end = new Date(use.until * 1000).toISOString();
    const found = `one for which another module holds a certificate until ${end}`;
    const message = `public key: expected a key of this module alone, found ${found}; make a key for each module`;
    throw new KeysteadError('ProfileViolation', message);
  }

  /** Remembers that a certificate was issued. `notAfter` in milliseconds since the Unix epoch. */
  note(publicKey: Buffer, spiffeId: string, notAfter: number): void {
    const key = digest(publicKey);
    const slot = this.#uses.get(key)?.slot ?? this.#freeSlot();
    const use = { holder: digest(spiffeId), until: Math.ceil(notAfter / 1000), slot };
    this.#uses.set(key, use);
    this.#slots[slot] = key;
    const entry = Buffer.from(`${key}${use.holder}00000000`, 'hex');
    entry.writeUInt32BE(use.until, UNTIL);
    this.#file.put(slot, entry);
  }

  /** Writes what was noted; no answer may leave before it. Throws Unavailable where the disk refuses. */
  commit(): void {
    this.#file.commit();
  }

  close(): void {
    this.#file.close();
  }

  /** The next slot in the circle; whoever lies there is forgotten. */
  #freeSlot(): number {
    const slot = this.#next;
    this.#next = (slot + 1) % this.#capacity;
    const former = this.#slots[slot];
    if (former !== undefined) this.#uses.delete(former);
    return slot;
  }

  /** The circle goes on behind the certificate that ends last: near enough to the one noted last. */
  #read(entries: readonly Buffer[]): void {
    let latest = 0;
    for (const [slot, entry] of entries.slice(0, this.#capacity).entries()) {
      const until = entry.readUInt32BE(UNTIL);
      if (until === 0) continue;
      const key = entry.toString('hex', 0, DIGEST_BYTES);
      this.#uses.set(key, { holder: entry.toString('hex', DIGEST_BYTES, UNTIL), until, slot });
      this.#slots[slot] = key;
      if (until < latest) continue;
      latest = until;
      this.#next = (slot + 1) % this.#capacity;
    }
  }
}

function digest(value: Buffer | string): string {
  return hash('sha256', value).slice(0, 2 * DIGEST_BYTES);
}
