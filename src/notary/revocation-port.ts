// SPDX-License-Identifier: Apache-2.0
import type { RevocationReason } from '../issue/crl.ts';

/** Asks to revoke all that was issued to a pod and has not ended: certificates and tokens. */
export interface RevokeRequest {
  readonly podUid: string;
  /** Only what was issued for this identity; left out, all. */
  readonly identity?: string;
  readonly reason: RevocationReason;
  /** What led to it, one word: the reason of a denial for example. For the record. */
  readonly cause: string;
}

/** The same for every pod that is not on the node any more. */
export interface RevokeOthersRequest {
  /** Pods whose credentials stay. */
  readonly podUids: readonly string[];
}

export interface Revoked {
  readonly certificates: number;
  readonly tokens: number;
}

/** One CA's list, without its content. */
export interface CrlSummary {
  /** Start of the CA's key identifier, hex. */
  readonly issuer: string;
  readonly number: number;
  /** Certificates on it. */
  readonly count: number;
  /** Milliseconds since the Unix epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

/** A revoked token, until it ends. Times are milliseconds since the Unix epoch. */
export interface RevokedToken {
  readonly jti: string;
  readonly until: number;
  /** Unknown, like the reason, where a notary has revoked it that did not write it down yet. */
  readonly revokedAt?: number;
  readonly reason?: RevocationReason;
}

export interface RevocationLists {
  readonly crls: readonly (CrlSummary & { readonly der: Buffer })[];
  readonly tokens: readonly RevokedToken[];
}

/** What `NotaryStatus` tells of it: whoever sees another one than before asks for the lists. */
export interface RevocationSummary {
  readonly crls: readonly CrlSummary[];
  /** Counts the changes of the list of tokens. */
  readonly tokenVersion: number;
  /** Why what was revoked last is not on a signed list yet. */
  readonly failure?: string;
}

/** What the notary does about what it has issued. */
export interface RevocationNotary {
  /** On disk when it resolves; a second time it finds nothing. */
  revoke(request: RevokeRequest): Promise<Revoked>;
  revokeOthers(request: RevokeOthersRequest): Promise<Revoked>;
  revocationLists(): Promise<RevocationLists>;
}
