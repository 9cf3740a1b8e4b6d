// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import type { UseRecorder } from './audit.ts';
import type { IssuingAuthority } from './authority.ts';
import { MAX_CRL_ENTRIES, nextCrl } from './crl-signing.ts';
import type { IssuedCredentials } from './issued-credentials.ts';
import { issuerTag, type IssuedCredential, type IssuedTo } from './issued-entry.ts';
import { mostFeared } from './revocation-limit.ts';
import type {
  Revoked,
  RevocationLists,
  RevocationSummary,
  RevokedToken,
  RevokeOthersRequest,
  RevokeRequest,
} from './revocation-port.ts';
import {
  decodeRevocations,
  EMPTY_RECORD,
  encodeRevocations,
  type RevocationRecord,
  type RevokedEntry,
} from './revocation-record.ts';
import type { StateFolder } from './state-folder.ts';

export interface RevocationsOptions {
  readonly issued: Pick<IssuedCredentials, 'living' | 'livingBut' | 'forget'>;
  readonly state: Pick<StateFolder, 'read' | 'write' | 'setAside'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly uses: UseRecorder;
  /** Runs something with the CAs where the token is there; throws otherwise. */
  readonly useAuthority: (use: (authority: IssuingAuthority) => void) => void;
}

type Cause = Pick<RevokeRequest, 'reason' | 'cause'>;

const DOCUMENT = 'revocations';
/** Of the node; one takes some 80 octets of EdgeDevice.status. */
const MAX_TOKENS = 4_096;

/**
 * What was revoked, and the lists of it that the node's CAs have signed. First it is on disk, then on a list, then the
 * answer leaves; where the token is away it stays on disk and is signed once the token is back.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  #record: RevocationRecord;
  #pending: { readonly credential: IssuedCredential; readonly cause: Cause }[] = [];
  #failure: string | undefined;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    this.#record = this.#read();
  }

  summary(): RevocationSummary {
    const { crls, tokenVersion } = this.#record;
    const summaries = crls.map(({ issuer, number, count, thisUpdate, nextUpdate }) => {
      return { issuer, number, count, thisUpdate, nextUpdate };
    });
    return { crls: summaries, tokenVersion, ...(this.#failure !== undefined && { failure: this.#failure }) };
  }

  lists(): RevocationLists {
    const { crls, tokens } = this.#record;
    return {
      crls: crls.map(({ issuer, number, count, thisUpdate, nextUpdate, der }) => {
        return { issuer, number, count, thisUpdate, nextUpdate, der };
      }),
      tokens: this.#current(tokens),
    };
  }

  /** Revokes what a pod was issued; `commit` makes it so. Needs no token: what cannot be signed now is once it is back. */
  revoke({ podUid, identity, ...cause }: RevokeRequest): Revoked {
    const whose = { podUid, ...(identity !== undefined && { identity }) };
    return this.#note(this.#options.issued.living(podUid, identity), cause, whose);
  }

  /** Revokes what was issued to pods that are not there any more. */
  revokeOthers({ podUids }: RevokeOthersRequest): Revoked {
    const cause = { reason: 'cessationOfOperation', cause: 'PodGone' } as const;
    return this.#note(this.#options.issued.livingBut(podUids), cause, {});
  }

  #note(found: readonly IssuedCredential[], cause: Cause, whose: Partial<IssuedTo>): Revoked {
    const noted = new Set(this.#pending.map(({ credential }) => credential.id));
    const credentials = found.filter(({ id }) => !noted.has(id));
    const serials = credentials.filter(({ kind }) => kind === 'Certificate').map(({ id }) => id);
    const jtis = credentials.filter(({ kind }) => kind === 'Token').map((credential) => tokenOf(credential).jti);
    if (credentials.length > 0) {
      const revoked = { ...whose, cause: cause.cause, serials, jtis };
      this.#options.uses.record({ operation: 'revoke', result: 'Done', revoked });
      this.#pending.push(...credentials.map((credential) => ({ credential, cause })));
    }
    return { certificates: serials.length, tokens: jtis.length };
  }

  /**
   * Makes what was revoked durable and has it signed; gives whether there was something. Throws Unavailable where the disk
   * refuses: then nothing was revoked.
   */
  commit(): boolean {
    const pending = this.#pending.splice(0);
    if (pending.length === 0) return false;
    this.#save(this.#added(pending));
    this.#options.issued.forget(pending.map(({ credential }) => credential));
    this.tryMaintain();
    return true;
  }

  /** Signs the lists that are due and drops what has ended. Cheap where there is nothing to do; `summary` says what failed. */
  tryMaintain(): void {
    try {
      this.#options.useAuthority((authority) => this.#maintain(authority));
      this.#failure = undefined;
    } catch (thrown) {
      const { code, message } = asKeysteadError(thrown);
      if (this.#failure !== message) this.#options.log.error({ code, err: message }, 'cannot sign the revocation list');
      this.#failure = message;
    }
  }

  #maintain(authority: IssuingAuthority): void {
    const now = this.#options.clock.now();
    const next = pruned(this.#record, new Set(authority.keyIdentifiers.map(issuerTag)), now);
    const signed = authority.issuers.flatMap((issuer) => nextCrl(issuer, next, now) ?? []);
    const fresh = new Set(signed.map(({ issuer }) => issuer));
    const crls = [...signed, ...next.crls.filter(({ issuer }) => !fresh.has(issuer))];
    if (signed.length === 0 && crls.length === this.#record.crls.length) return;
    this.#save({ ...next, crls });
    for (const { issuer, number, count } of signed) this.#options.log.info({ issuer, number, count }, 'signed a CRL');
  }

  #added(pending: readonly { readonly credential: IssuedCredential; readonly cause: Cause }[]): RevocationRecord {
    const revokedAt = Math.floor(this.#options.clock.now() / 1000) * 1000;
    const known = new Set(this.#record.revoked.map(({ serial }) => serial));
    let { order } = this.#record;
    const entries: RevokedEntry[] = [];
    for (const { credential, cause } of pending) {
      const { kind, id, issuer, until } = credential;
      if (kind !== 'Certificate' || known.has(id)) continue;
      entries.push({ issuer, serial: id, revokedAt, reason: cause.reason, until, order: ++order });
    }
    const tokens = pending
      .filter(({ credential }) => credential.kind === 'Token')
      .map(({ credential, cause }) => ({ ...tokenOf(credential), revokedAt, reason: cause.reason }));
    return {
      ...this.#record,
      order,
      revoked: this.#bounded([...this.#record.revoked, ...entries]),
      tokens: this.#boundedTokens(this.#current([...this.#record.tokens, ...tokens])),
      tokenVersion: this.#record.tokenVersion + (tokens.length > 0 ? 1 : 0),
    };
  }

  /** Each CA's list has its limit. */
  #bounded(entries: readonly RevokedEntry[]): readonly RevokedEntry[] {
    const issuers = [...new Set(entries.map(({ issuer }) => issuer))];
    const own = issuers.map((tag) => entries.filter(({ issuer }) => issuer === tag));
    const kept = own.flatMap((list) => mostFeared(list, MAX_CRL_ENTRIES));
    const dropped = entries.length - kept.length;
    if (dropped > 0)
      this.#options.log.warn({ dropped, limit: MAX_CRL_ENTRIES }, 'the revocation list is full: shorten x509.duration');
    return kept;
  }

  #boundedTokens(tokens: readonly RevokedToken[]): readonly RevokedToken[] {
    const dropped = tokens.length - MAX_TOKENS;
    if (dropped > 0)
      this.#options.log.warn(
        { dropped, limit: MAX_TOKENS },
        'the list of revoked tokens is full: shorten token.duration',
      );
    return mostFeared(tokens, MAX_TOKENS);
  }

  #current(tokens: readonly RevokedToken[]): readonly RevokedToken[] {
    const now = this.#options.clock.now();
    return tokens.filter(({ until }) => until >= now);
  }

  #save(record: RevocationRecord): void {
    this.#options.state.write(DOCUMENT, encodeRevocations(record));
    this.#record = record;
  }

  #read(): RevocationRecord {
    const { state, log } = this.#options;
    try {
      const document = state.read(DOCUMENT);
      return document === undefined ? EMPTY_RECORD : decodeRevocations(document);
    } catch (thrown) {
      log.error({ err: asKeysteadError(thrown).message }, 'the record of revocations is unreadable, starting over');
      state.setAside(DOCUMENT);
      return EMPTY_RECORD;
    }
  }
}

/**
 * Without what has ended and has been on a list that was signed after its end (RFC 5280 3.3), and without the lists of CAs
 * that nobody trusts any more.
 */
function pruned(record: RevocationRecord, tags: ReadonlySet<string>, now: number): RevocationRecord {
  const signedAt = new Map(record.crls.map((crl) => [crl.issuer, crl.signedAt]));
  const revoked = record.revoked.filter(({ issuer, until, order }) => {
    const last = record.crls.find((crl) => crl.issuer === issuer);
    if (!tags.has(issuer)) return until >= now;
    return until >= (signedAt.get(issuer) ?? 0) || order > (last?.covers ?? 0);
  });
  return { ...record, revoked, crls: record.crls.filter(({ issuer }) => tags.has(issuer)) };
}

function tokenOf({ id, until }: IssuedCredential): Pick<RevokedToken, 'jti' | 'until'> {
  return { jti: Buffer.from(id, 'hex').toString('base64url'), until };
}
