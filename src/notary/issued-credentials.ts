// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import { LivingCertificates } from './living-certificates.ts';
import {
  decoded,
  ENTRY_BYTES,
  idOf,
  isCertificate,
  isEmpty,
  isOf,
  MAX_ROUND,
  podOf,
  roundOf,
  untilOf,
  writeEntry,
  type IssuedCredential,
  type IssuedTo,
} from './issued-entry.ts';
import { shortDigest } from './short-digest.ts';
import { SlotFile } from './slot-file.ts';

export interface IssuedCredentialsOptions {
  /** The notary's state folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** Half of it are certificates, half tokens; of each the ones noted first are forgotten first. Default 32,768. */
  readonly capacity?: number;
}

const FILE = 'issued-credentials';
const CAPACITY = 32_768;
/** One pod may have this share of the certificates that are remembered, and of the tokens. */
const SHARES = 16;
/** The circle of the certificates; those of the tokens follow. */
const CERTIFICATES = 0;

/**
 * Remembers what was issued to each pod until it ends, so that all of it can be revoked whatever the agent remembers: what
 * was renewed meanwhile is as good as the newest to who has taken it. Half of a file's slots are filled in a circle by
 * certificates, of which one pod may have so many, and half by tokens, in several circles of which a pod fills one: a module
 * that asks for thousands pushes out no other's certificates, and the tokens of few others.
 */
export class IssuedCredentials {
  readonly #clock: Clock;
  readonly #file: SlotFile;
  /** Slot to be filled next, of each circle: that of the certificates, then those of the tokens. */
  readonly #next: number[];
  /** How often each circle has been gone round: entries of the present round lie before its next slot, others from there on. */
  readonly #rounds = new Array<number>(1 + SHARES).fill(0);
  readonly #certificates: LivingCertificates;

  /** The file is opened and read when it is first needed. */
  constructor({ folder, clock, capacity = CAPACITY }: IssuedCredentialsOptions) {
    this.#clock = clock;
    this.#file = new SlotFile({ path: join(folder, FILE), entryBytes: ENTRY_BYTES, capacity });
    this.#certificates = new LivingCertificates(this.#share);
    this.#next = Array.from({ length: 1 + SHARES }, (_, circle) => this.#first(circle));
  }

  /**
   * Asked before a certificate is signed. Throws Overloaded where the pod has as many that have not ended as it may, fewer where
   * the module itself asks; Unavailable where what is remembered cannot be read.
   */
  admit({ podUid }: Pick<IssuedTo, 'podUid'>, byModule = false): void {
    this.#read();
    const pod = shortDigest(podUid);
    this.#certificates.admit(pod.toString('hex'), byModule, this.#clock.now(), () => this.#withoutEnded(pod));
  }

  /** Throws Unavailable where what is remembered cannot be read. */
  note({ podUid, identity }: IssuedTo, credential: IssuedCredential): void {
    this.#read();
    const pod = shortDigest(podUid);
    const circle = credential.kind === 'Certificate' ? CERTIFICATES : tokensOf(pod);
    const slot = this.#take(circle);
    const place = { pod, identity: shortDigest(identity), round: this.#rounds[circle] ?? 0 };
    writeEntry(this.#file.entry(slot), place, credential);
    if (circle === CERTIFICATES) this.#certificates.added(pod.toString('hex'), credential.until);
  }

  /** What has not ended of that which was issued to a pod, for one identity or for all. Throws like `note`. */
  living(podUid: string, identity?: string): IssuedCredential[] {
    const pod = shortDigest(podUid);
    const wanted = identity === undefined ? undefined : shortDigest(identity);
    return this.#alive((entry) => isOf(entry, pod, wanted));
  }

  /** What has not ended of that which was issued to any other pod than these. Throws like `note`. */
  livingBut(podUids: readonly string[]): IssuedCredential[] {
    const kept = new Set(podUids.map((podUid) => shortDigest(podUid).toString('hex')));
    return this.#alive((entry) => !kept.has(podOf(entry)));
  }

  /** Forgets what has been revoked. */
  forget(credentials: readonly IssuedCredential[]): void {
    const ids = new Set(credentials.map(({ id }) => id));
    for (let slot = 0; slot < this.#file.capacity; slot++) {
      const entry = this.#file.entry(slot);
      if (!isEmpty(entry) && ids.has(idOf(entry))) this.#clear(slot);
    }
  }

  /** Writes what was noted; no answer may leave before it. Throws Unavailable where the disk refuses. */
  commit(): void {
    this.#file.commit();
  }

  close(): void {
    this.#file.close();
  }

  /** Looks through all slots: some milliseconds, and revoking is rare. */
  #alive(isWanted: (entry: Buffer) => boolean): IssuedCredential[] {
    this.#read();
    const now = this.#clock.now();
    const found: IssuedCredential[] = [];
    for (let slot = 0; slot < this.#file.capacity; slot++) {
      const entry = this.#file.entry(slot);
      if (!isEmpty(entry) && untilOf(entry) >= now && isWanted(entry)) found.push(decoded(entry));
    }
    return found;
  }

  /** Empties the slots of a pod's certificates that have ended, and gives when the others end. As long as `#alive`. */
  #withoutEnded(pod: Buffer): number[] {
    const now = this.#clock.now();
    const ends: number[] = [];
    for (let slot = 0; slot < this.#half; slot++) {
      const entry = this.#file.entry(slot);
      if (isEmpty(entry) || !isOf(entry, pod)) continue;
      if (untilOf(entry) < now) this.#clear(slot);
      else ends.push(untilOf(entry));
    }
    return ends;
  }

  #clear(slot: number): void {
    const entry = this.#file.entry(slot);
    if (isCertificate(entry)) this.#certificates.removed(podOf(entry));
    entry.fill(0);
    this.#file.changed(slot);
  }

  /** The next slot of a circle, emptied. */
  #take(circle: number): number {
    const slot = this.#next[circle] ?? 0;
    if (slot === this.#first(circle)) this.#rounds[circle] = ((this.#rounds[circle] ?? 0) % MAX_ROUND) + 1;
    this.#next[circle] = this.#after(circle, slot);
    this.#clear(slot);
    return slot;
  }

  /**
   * Each circle goes on behind what was noted last, which is the last entry of the newest round. What ends last tells it not:
   * behind a certificate of a day others of an hour still live.
   */
  #read(): void {
    if (this.#file.isOpen) return;
    this.#file.open();
    for (let circle = CERTIFICATES; circle <= SHARES; circle++) {
      const first = this.#first(circle);
      for (let slot = first; slot < first + this.#size(circle); slot++) {
        const entry = this.#file.entry(slot);
        if (isCertificate(entry)) this.#certificates.added(podOf(entry), untilOf(entry));
        if (isEmpty(entry) || roundOf(entry) < (this.#rounds[circle] ?? 0)) continue;
        this.#rounds[circle] = roundOf(entry);
        this.#next[circle] = this.#after(circle, slot);
      }
    }
  }

  get #half(): number {
    return Math.floor(this.#file.capacity / 2);
  }

  get #share(): number {
    return Math.floor(this.#half / SHARES);
  }

  #first(circle: number): number {
    return circle === CERTIFICATES ? 0 : this.#half + (circle - 1) * this.#share;
  }

  #size(circle: number): number {
    return circle === CERTIFICATES ? this.#half : this.#share;
  }

  #after(circle: number, slot: number): number {
    const first = this.#first(circle);
    return first + ((slot - first + 1) % this.#size(circle));
  }
}

/** The circle of a pod's tokens. */
function tokensOf(pod: Buffer): number {
  return 1 + ((pod[0] ?? 0) % SHARES);
}
