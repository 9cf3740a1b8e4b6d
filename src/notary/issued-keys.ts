// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import type { Clock } from '../os/clock.ts';
import { SHORT_DIGEST_BYTES, shortDigest } from './short-digest.ts';
import { SlotFile } from './slot-file.ts';
import { SlotIndex } from './slot-index.ts';

export interface IssuedKeysOptions {
  /** The notary's state folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** How many keys are remembered; the ones noted first are forgotten first. Default 16,383. */
  readonly capacity?: number;
}

const FILE = 'issued-keys';
/** One less than there are slots. */
const CAPACITY = 16_383;
/** Digest of the key, digest of its holder, end of the certificate (32 bits, big-endian seconds; 0 for an empty slot). */
const ENTRY_BYTES = 2 * SHORT_DIGEST_BYTES + 4;
const UNTIL = 2 * SHORT_DIGEST_BYTES;

/**
 * Remembers which SPIFFE ID each public key was certified for, so that no second module gets a certificate for a key that
 * is another's: one baked into an image, or copied. Slots of a file that are filled in a circle; the one to be filled next is
 * empty, which tells after a restart where the circle goes on.
 */
export class IssuedKeys {
  readonly #clock: Clock;
  readonly #file: SlotFile;
  readonly #index: SlotIndex;
  /** Slot to be filled next. */
  #next = 0;
  /** Whether that is another one than the file says. */
  #moved = false;
  /** The key looked at last: what is checked is noted next. */
  #last: { readonly publicKey: Buffer; readonly digest: Buffer } | undefined;

  /** The file is opened and read when it is first needed. */
  constructor({ folder, clock, capacity = CAPACITY }: IssuedKeysOptions) {
    this.#clock = clock;
    this.#file = new SlotFile({ path: join(folder, FILE), entryBytes: ENTRY_BYTES, capacity: capacity + 1 });
    this.#index = new SlotIndex(this.#file, SHORT_DIGEST_BYTES);
  }

  /**
   * Throws ProfileViolation where the key (SubjectPublicKeyInfo, DER) has a living certificate for another SPIFFE ID;
   * Unavailable where what is remembered cannot be read.
   */
  check(publicKey: Buffer, spiffeId: string): void {
    this.#read();
    const slot = this.#index.find(this.#digestOf(publicKey));
    if (slot === undefined) return;
    const entry = this.#file.entry(slot);
    const until = entry.readUInt32BE(UNTIL) * 1000;
    if (until < this.#clock.now() || shortDigest(spiffeId).compare(entry, SHORT_DIGEST_BYTES, UNTIL) === 0) return;
    const found = `one for which another module holds a certificate until ${new Date(until).toISOString()}`;
    const message = `public key: expected a key of this module alone, found ${found}; make a key for each module`;
    throw new KeysteadError('ProfileViolation', message);
  }

  /** Remembers that a certificate was issued. `notAfter` in milliseconds since the Unix epoch. Throws Unavailable like `check`. */
  note(publicKey: Buffer, spiffeId: string, notAfter: number): void {
    this.#read();
    const key = this.#digestOf(publicKey);
    const known = this.#index.find(key);
    const slot = known ?? this.#freeSlot();
    const entry = this.#file.entry(slot);
    key.copy(entry, 0);
    shortDigest(spiffeId).copy(entry, SHORT_DIGEST_BYTES);
    entry.writeUInt32BE(Math.ceil(notAfter / 1000), UNTIL);
    if (known === undefined) this.#index.add(slot);
    this.#file.changed(slot);
  }

  /** Writes what was noted; no answer may leave before it. Throws Unavailable where the disk refuses. */
  commit(): void {
    // Once, behind the entries: with them it is one write.
    if (this.#moved) this.#file.changed(this.#next);
    this.#moved = false;
    this.#file.commit();
  }

  close(): void {
    this.#file.close();
  }

  #digestOf(publicKey: Buffer): Buffer {
    if (this.#last?.publicKey !== publicKey) this.#last = { publicKey, digest: shortDigest(publicKey) };
    return this.#last.digest;
  }

  /** The next slot in the circle; whoever lies in the one behind it is forgotten. */
  #freeSlot(): number {
    const slot = this.#next;
    this.#next = this.#after(slot);
    this.#moved = true;
    this.#clear(slot);
    this.#clear(this.#next);
    return slot;
  }

  #clear(slot: number): void {
    if (this.#isEmpty(slot)) return;
    this.#index.remove(slot);
    this.#file.entry(slot).fill(0);
  }

  #after(slot: number): number {
    return (slot + 1) % this.#file.capacity;
  }

  #isEmpty(slot: number): boolean {
    return this.#file.entry(slot).readUInt32BE(UNTIL) === 0;
  }

  /** A file that an earlier version has filled has no empty slot: the circle goes on behind what ends last. */
  #read(): void {
    if (this.#file.isOpen) return;
    this.#file.open();
    let latest = 0;
    let empty: number | undefined;
    for (let slot = 0; slot < this.#file.capacity; slot++) {
      const until = this.#file.entry(slot).readUInt32BE(UNTIL);
      if (until === 0) empty ??= slot;
      else this.#index.add(slot);
      if (until < latest) continue;
      latest = until;
      this.#next = this.#after(slot);
    }
    this.#next = empty ?? this.#next;
  }
}
