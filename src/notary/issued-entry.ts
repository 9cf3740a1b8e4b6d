// SPDX-License-Identifier: Apache-2.0
import type { Requester } from './port.ts';
import { SHORT_DIGEST_BYTES } from './short-digest.ts';

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

const ID_BYTES = 16;
const ISSUER_BYTES = 8;
/** Digests of pod and identity, id, issuer, end (32 bits, big-endian seconds; 0 for an empty slot), round (24 bits), kind. */
const [POD, IDENTITY, ID, ISSUER, UNTIL, ROUND, KIND] = [0, 16, 32, 48, 56, 60, 63];
const ROUND_BYTES = 3;
export const MAX_ROUND = 2 ** (8 * ROUND_BYTES) - 1;
export const ENTRY_BYTES = 64;
const CERTIFICATE = 1;
const TOKEN = 2;

/** Names a CA among those of one node. */
export function issuerTag(keyIdentifier: Buffer): string {
  return keyIdentifier.toString('hex', 0, ISSUER_BYTES);
}

/** By digests: whom something was issued to. `round`: how often its circle had been gone round by then. */
export interface IssuedPlace {
  readonly pod: Buffer;
  readonly identity: Buffer;
  readonly round: number;
}

/** Fills an empty slot. */
export function writeEntry(entry: Buffer, { pod, identity, round }: IssuedPlace, credential: IssuedCredential): void {
  const { kind, id, issuer, until } = credential;
  pod.copy(entry, POD);
  identity.copy(entry, IDENTITY);
  entry.write(id, ID, 'hex');
  entry.write(issuer, ISSUER, 'hex');
  entry.writeUInt32BE(Math.ceil(until / 1000), UNTIL);
  entry.writeUIntBE(round, ROUND, ROUND_BYTES);
  entry.writeUInt8(kind === 'Certificate' ? CERTIFICATE : TOKEN, KIND);
}

/** An empty slot, or what is none of ours. */
export function isEmpty(entry: Buffer): boolean {
  const kind = entry.readUInt8(KIND);
  return untilOf(entry) === 0 || (kind !== CERTIFICATE && kind !== TOKEN);
}

export function isCertificate(entry: Buffer): boolean {
  return !isEmpty(entry) && entry.readUInt8(KIND) === CERTIFICATE;
}

/** 0 where an earlier version wrote it. */
export function roundOf(entry: Buffer): number {
  return entry.readUIntBE(ROUND, ROUND_BYTES);
}

export function podOf(entry: Buffer): string {
  return entry.toString('hex', POD, IDENTITY);
}

export function untilOf(entry: Buffer): number {
  return entry.readUInt32BE(UNTIL) * 1000;
}

export function idOf(entry: Buffer): string {
  return entry.toString('hex', ID, ID + ID_BYTES);
}

/** Whether it was issued to the pod, and where one is given for the identity, by their digests. */
export function isOf(entry: Buffer, pod: Buffer, identity?: Buffer): boolean {
  return holds(entry, POD, pod) && (identity === undefined || holds(entry, IDENTITY, identity));
}

function holds(entry: Buffer, offset: number, digest: Buffer): boolean {
  return digest.compare(entry, offset, offset + SHORT_DIGEST_BYTES) === 0;
}

export function decoded(entry: Buffer): IssuedCredential {
  const isToken = entry.readUInt8(KIND) === TOKEN;
  return {
    kind: isToken ? 'Token' : 'Certificate',
    id: idOf(entry),
    issuer: isToken ? '' : entry.toString('hex', ISSUER, ISSUER + ISSUER_BYTES),
    until: untilOf(entry),
  };
}
