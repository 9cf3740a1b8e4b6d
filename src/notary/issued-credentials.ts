// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { Clock } from '../os/clock.ts';
import type { Requester } from './port.ts';
import { SHORT_DIGEST_BYTES, shortDigest } from './short-digest.ts';
import { SlotFile } from './slot-file.ts';

export interface IssuedCredentialsOptions {
  /** The notary's state folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** Half of it are certificates, half tokens; of each the ones noted first are forgotten first. Default 32,768. */
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

const FILE = 'issued-credentials';
const CAPACITY = 32_768;
const ID_BYTES = 16;
const ISSUER_BYTES = 8;
/** Digests of pod and identity, id, issuer, end (32 bits, big-endian seconds; 0 for an empty slot), kind. */
const [POD, IDENTITY, ID, ISSUER, UNTIL, KIND, ENTRY_BYTES] = [0, 16, 32, 48, 56, 60, 64];
const CERTIFICATE = 1;
const TOKEN = 2;

type Kind = IssuedCredential['kind'];

/** Names a CA among those of one node. */
export function issuerTag(keyIdentifier: Buffer): string {
  return keyIdentifier.toString('hex', 0, ISSUER_BYTES);
}

/**
 * Remembers what was issued to each pod until it ends, so that all of it can be revoked whatever the agent remembers: what
 * was renewed meanwhile is as good as the newest to who has taken it. Half of a file's slots are filled in a circle by
 * certificates and half by tokens: a module that asks for thousands of tokens pushes out no certificate.
 */
export class IssuedCredentials {
  readonly #clock: Clock;
  readonly #file: SlotFile;
  /** Slots to be filled next. */
  readonly #next: Record<Kind, number>;

  /** The file is opened and read when it is first needed. */
  constructor({ folder, clock, capacity = CAPACITY }: IssuedCredentialsOptions) {
    this.#clock = clock;
    this.#file = new SlotFile({ path: join(folder, FILE), entryBytes: ENTRY_BYTES, capacity });
    this.#next = { Certificate: this.#first('Certificate'), Token: this.#first('Token') };
  }

  /** Throws Unavailable where what is remembered cannot be read. */
  note({ podUid, identity }: IssuedTo, { kind, id, issuer, until }: IssuedCredential): void {
    this.#read();
    const slot = this.#next[kind];
    this.#next[kind] = this.#after(kind, slot);
    const entry = this.#file.entry(slot).fill(0);
    shortDigest(podUid).copy(entry, POD);
    shortDigest(identity).copy(entry, IDENTITY);
    entry.write(id, ID, 'hex');
    entry.write(issuer, ISSUER, 'hex');
    entry.writeUInt32BE(Math.ceil(until / 1000), UNTIL);
    entry.writeUInt32BE(kind === 'Certificate' ? CERTIFICATE : TOKEN, KIND);
    this.#file.changed(slot);
  }

  /** What has not ended of that which was issued to a pod, for one identity or for all. Throws like `note`. */
  living(podUid: string, identity?: string): IssuedCredential[] {
    const pod = shortDigest(podUid);
    const wanted = identity === undefined ? undefined : shortDigest(identity);
    return this.#alive((entry) => holds(entry, POD, pod) && (wanted === undefined || holds(entry, IDENTITY, wanted)));
  }

  /** What has not ended of that which was issued to any other pod than these. Throws like `note`. */
  livingBut(podUids: readonly string[]): IssuedCredential[] {
    const kept = new Set(podUids.map((podUid) => shortDigest(podUid).toString('hex')));
    return this.#alive((entry) => !kept.has(entry.toString('hex', POD, IDENTITY)));
  }

  /** Forgets what has been revoked. */
  forget(credentials: readonly IssuedCredential[]): void {
    const ids = new Set(credentials.map(({ id }) => id));
    for (let slot = 0; slot < this.#file.capacity; slot++) {
      const entry = this.#file.entry(slot);
      if (isEmpty(entry) || !ids.has(idOf(entry))) continue;
      entry.fill(0);
      this.#file.changed(slot);
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

  /** Each circle goes on behind what ends last: near enough to what was noted last. */
  #read(): void {
    if (this.#file.isOpen) return;
    this.#file.open();
    for (const kind of ['Certificate', 'Token'] as const) {
      let latest = 0;
      const first = this.#first(kind);
      for (let slot = first; slot < first + this.#half; slot++) {
        const entry = this.#file.entry(slot);
        if (isEmpty(entry) || untilOf(entry) < latest) continue;
        latest = untilOf(entry);
        this.#next[kind] = this.#after(kind, slot);
      }
    }
  }

  get #half(): number {
    return Math.floor(this.#file.capacity / 2);
  }

  #first(kind: Kind): number {
    return kind === 'Certificate' ? 0 : this.#half;
  }

  #after(kind: Kind, slot: number): number {
    const first = this.#first(kind);
    return first + ((slot - first + 1) % this.#half);
  }
}

/** An empty slot, or what is none of ours. */
function isEmpty(entry: Buffer): boolean {
  const kind = entry.readUInt32BE(KIND);
  return untilOf(entry) === 0 || (kind !== CERTIFICATE && kind !== TOKEN);
}

function untilOf(entry: Buffer): number {
  return entry.readUInt32BE(UNTIL) * 1000;
}

function idOf(entry: Buffer): string {
  return entry.toString('hex', ID, ID + ID_BYTES);
}

function holds(entry: Buffer, offset: number, digest: Buffer): boolean {
  return digest.compare(entry, offset, offset + SHORT_DIGEST_BYTES) === 0;
}

function decoded(entry: Buffer): IssuedCredential {
  const isToken = entry.readUInt32BE(KIND) === TOKEN;
  return {
    kind: isToken ? 'Token' : 'Certificate',
    id: idOf(entry),
    issuer: isToken ? '' : entry.toString('hex', ISSUER, ISSUER + ISSUER_BYTES),
    until: untilOf(entry),
  };
}
