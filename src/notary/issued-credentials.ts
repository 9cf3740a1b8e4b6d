// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import type { Requester } from './port.ts';
import { SlotFile } from './slot-file.ts';

export interface IssuedCredentialsOptions {
  /** The notary's state folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** How many are remembered; the ones noted first are forgotten first. Default 32,768. */
  readonly capacity?: number;
}

/** Whom something was issued to. */
export type IssuedTo = Pick<Requester, 'podUid' | 'identity'>;

/** A certificate or token that has not ended. */
export interface IssuedCredential {
  readonly kind: 'Certificate' | 'Token';
  /** Serial or `jti`: 16 octets, hex. */
  readonly id: string;
  /** Start of the issuing CA's key identifier, hex (`issuerTag`); of a token empty. */
  readonly issuer: string;
  /** Milliseconds since the Unix epoch, whole seconds. */
  readonly until: number;
}

interface Noted extends IssuedCredential {
  /** Digests, hex. */
  readonly pod: string;
  readonly identity: string;
  readonly slot: number;
}

const FILE = 'issued-credentials';
const CAPACITY = 32_768;
const DIGEST_BYTES = 16;
const ID_BYTES = 16;
const ISSUER_BYTES = 8;
/** Digests of pod and identity, id, issuer, end (32 bits, big-endian seconds; 0 for an empty slot), kind. */
const [IDENTITY, ID, ISSUER, UNTIL, KIND, ENTRY_BYTES] = [16, 32, 48, 56, 60, 64];
const CERTIFICATE = 1;
const TOKEN = 2;
const EMPTY = Buffer.alloc(ENTRY_BYTES);

/** Names a CA among those of one node. */
export function issuerTag(keyIdentifier: Buffer): string {
  return keyIdentifier.toString('hex', 0, ISSUER_BYTES);
}

/**
 * Remembers what was issued to each pod until it ends, so that all of it can be revoked whatever the agent remembers: what
 * was renewed meanwhile is as good as the newest to who has taken it. Slots of a file that are filled in a circle.
 */
export class IssuedCredentials {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #file: SlotFile;
  readonly #slots: (Noted | undefined)[] = [];
  readonly #pods = new Map<string, Set<Noted>>();
  #next = 0;

  /** The file is opened and read when it is first needed. */
  constructor({ folder, clock, capacity = CAPACITY }: IssuedCredentialsOptions) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#file = new SlotFile(join(folder, FILE), ENTRY_BYTES);
  }

  /** Throws Unavailable where what is remembered cannot be read. */
  note({ podUid, identity }: IssuedTo, issued: IssuedCredential): void {
    this.#read();
    const slot = this.#next;
    this.#next = (slot + 1) % this.#capacity;
    this.#clear(this.#slots[slot]);
    const until = Math.ceil(issued.until / 1000) * 1000;
    const noted = { ...issued, until, pod: digest(podUid), identity: digest(identity), slot };
    this.#keep(noted);
    this.#file.put(slot, encoded(noted));
  }

  /** What has not ended of that which was issued to a pod, for one identity or for all. Throws like `note`. */
  living(podUid: string, identity?: string): IssuedCredential[] {
    this.#read();
    const wanted = identity === undefined ? undefined : digest(identity);
    return this.#alive(this.#pods.get(digest(podUid))).filter((noted) => (wanted ?? noted.identity) === noted.identity);
  }

  /** What has not ended of that which was issued to any other pod than these. Throws like `note`. */
  livingBut(podUids: readonly string[]): IssuedCredential[] {
    this.#read();
    const kept = new Set(podUids.map(digest));
    return [...this.#pods].flatMap(([pod, noted]) => (kept.has(pod) ? [] : this.#alive(noted)));
  }

  /** Forgets what has been revoked. */
  forget(credentials: readonly IssuedCredential[]): void {
    const ids = new Set(credentials.map(({ id }) => id));
    for (const noted of [...this.#pods.values()].flatMap((pod) => [...pod])) {
      if (!ids.has(noted.id)) continue;
      this.#clear(noted);
      this.#file.put(noted.slot, EMPTY);
    }
  }

  /** Writes what was noted; no answer may leave before it. Throws Unavailable where the disk refuses. */
  commit(): void {
    this.#file.commit();
  }

  close(): void {
    this.#file.close();
  }

  #alive(noted: Iterable<Noted> = []): Noted[] {
    const now = this.#clock.now();
    return [...noted].filter(({ until }) => until >= now);
  }

  #keep(noted: Noted): void {
    this.#slots[noted.slot] = noted;
    const pod = this.#pods.get(noted.pod);
    if (pod) pod.add(noted);
    else this.#pods.set(noted.pod, new Set([noted]));
  }

  #clear(noted: Noted | undefined): void {
    if (!noted) return;
    this.#slots[noted.slot] = undefined;
    const pod = this.#pods.get(noted.pod);
    pod?.delete(noted);
    if (pod?.size === 0) this.#pods.delete(noted.pod);
  }

  /** The circle goes on behind what ends last: near enough to what was noted last. */
  #read(): void {
    if (this.#file.isOpen) return;
    let latest = 0;
    for (const [slot, entry] of this.#file.open().slice(0, this.#capacity).entries()) {
      const noted = decoded(entry, slot);
      if (!noted) continue;
      this.#keep(noted);
      if (noted.until < latest) continue;
      latest = noted.until;
      this.#next = (slot + 1) % this.#capacity;
    }
  }
}

function encoded({ pod, identity, id, issuer, until, kind }: Noted): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.write(pod, 0, 'hex');
  entry.write(identity, IDENTITY, 'hex');
  entry.write(id, ID, 'hex');
  entry.write(issuer, ISSUER, 'hex');
  entry.writeUInt32BE(until / 1000, UNTIL);
  entry.writeUInt32BE(kind === 'Certificate' ? CERTIFICATE : TOKEN, KIND);
  return entry;
}

/** Undefined for an empty slot, and for what is none of ours. */
function decoded(entry: Buffer, slot: number): Noted | undefined {
  const until = entry.readUInt32BE(UNTIL) * 1000;
  const kind = entry.readUInt32BE(KIND);
  if (until === 0 || (kind !== CERTIFICATE && kind !== TOKEN)) return undefined;
  return {
    pod: entry.toString('hex', 0, DIGEST_BYTES),
    identity: entry.toString('hex', IDENTITY, IDENTITY + DIGEST_BYTES),
    id: entry.toString('hex', ID, ID + ID_BYTES),
    issuer: kind === TOKEN ? '' : entry.toString('hex', ISSUER, ISSUER + ISSUER_BYTES),
    until,
    kind: kind === CERTIFICATE ? 'Certificate' : 'Token',
    slot,
  };
}

function digest(text: string): string {
  return hash('sha256', text).slice(0, 2 * DIGEST_BYTES);
}
