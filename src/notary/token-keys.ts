// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { EcJwk } from '../issue/jwk.ts';
import { CA_BACKDATE_MS, validityFrom } from '../issue/validity.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import { KeyGenerations } from './key-generations.ts';
import type { NotaryConfiguration, TokenKeyStatus } from './port.ts';
import { isOlderThan, overlapMs, rolloverStep } from './rollover.ts';
import type { HeldKey, RootOfTrust } from './root-of-trust/port.ts';
import type { StateFolder } from './state-folder.ts';
import {
  decodeTokenRecord,
  encodeTokenRecord,
  tokenKeyEntry,
  type TokenKeyEntry,
  type TokenKeyRecord,
} from './token-record.ts';

export interface TokenKeysOptions {
  readonly root: RootOfTrust;
  readonly configuration: NotaryConfiguration;
  readonly state: StateFolder;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The key that signs tokens now. */
export interface TokenSigner {
  readonly key: HeldKey;
  readonly keyId: string;
  readonly jwk: EcJwk;
}

const DOCUMENT = 'token-keys';
const ALGORITHM = 'EC-P256';
/** Readers of tokens may be behind by this much, so a former key is published that much longer. */
const SKEW_MS = 5 * 60_000;

/**
 * The keys that sign JWT-SVIDs: P-256 on the token, apart from the CA's. The next one is published before it signs, and a
 * former one until its last token has ended, so that no reader meets a token whose key it does not know. A token that
 * cannot hold such a key keeps the node from issuing tokens only: certificates go on, and `failure` says why.
 */
export class TokenKeys {
  readonly #options: TokenKeysOptions;
  readonly #keys: KeyGenerations;
  #settings: NotaryConfiguration['tokens'];
  #record: TokenKeyRecord | undefined;
  #key: HeldKey | undefined;
  #failure: KeysteadError | undefined;

  constructor(options: TokenKeysOptions) {
    this.#options = options;
    const { trustDomain, node, tokens } = options.configuration;
    this.#settings = tokens;
    this.#keys = new KeyGenerations(options.root, { purpose: 'token', trustDomain, node }, options.log);
    this.#record = this.#readRecord();
    this.maintain();
  }

  /** Throws why there is none. */
  get signer(): TokenSigner {
    if (this.#record && this.#key) {
      const { keyId, jwk } = this.#record.current;
      return { key: this.#key, keyId, jwk };
    }
    throw this.#failure ?? new KeysteadError('Unavailable', 'there is no token signing key yet; ask again');
  }

  /** Why no token can be signed now. */
  get failure(): KeysteadError | undefined {
    return this.#key ? undefined : this.#failure;
  }

  /** All keys that readers of tokens must know. */
  get published(): readonly TokenKeyStatus[] {
    if (!this.#record) return [];
    const { current, next, former } = this.#record;
    return [
      this.#statusOf(current, 'Current', current.validity.notAfter),
      ...(next ? [this.#statusOf(next, 'Next', next.activateAt)] : []),
      ...former.map((entry) => this.#statusOf(entry, 'Former', entry.keepUntil)),
    ];
  }

  /** Whether a public key (SubjectPublicKeyInfo, DER) is one of these. */
  isOwnKey(publicKey: Buffer): boolean {
    if (!this.#record) return false;
    const { current, next, former } = this.#record;
    return [current, ...(next ? [next] : []), ...former].some((entry) => entry.publicKey.equals(publicKey));
  }

  reconfigure(settings: NotaryConfiguration['tokens']): void {
    this.#settings = settings;
    const record = this.#record;
    if (record && settings.maxSeconds > record.longestTokenSeconds) {
      this.#record = this.#saved({ ...record, longestTokenSeconds: settings.maxSeconds });
    }
    this.maintain();
  }

  /** Takes the steps that are due; never throws. What fails is tried again next time. */
  maintain(): void {
    try {
      const now = this.#options.clock.now();
      this.#key ??= this.#open(now);
      this.#retire(now);
      this.#step(now);
      this.#failure = undefined;
    } catch (thrown) {
      const failure = asKeysteadError(thrown);
      if (failure.message !== this.#failure?.message) {
        this.#options.log.error({ code: failure.code, err: failure.message }, 'token signing keys are not in order');
      }
      this.#failure = failure;
    }
  }

  /** The key to sign with: the one remembered, or, at first and where that is lost, a new one. */
  #open(now: number): HeldKey {
    const record = this.#record;
    const known = record && this.#keys.find(record.current.generation);
    if (known?.publicKey.equals(record?.current.publicKey ?? Buffer.alloc(0))) {
      // A crash may have come between the record of this key and the end of the one before it.
      this.#destroyFormer();
      return known;
    }
    const floor = Math.max(record?.current.generation ?? 0, record?.next?.generation ?? 0, this.#keys.newest());
    const key = this.#keys.obtain(floor + 1, ALGORITHM);
    if (record) this.#options.log.warn({ key: key.uri }, 'token signing key lost, made a new one');
    const former = record ? this.#withFormer(record, now) : [];
    this.#record = this.#saved({ ...this.#blank(), current: this.#entry(floor + 1, key, now), former });
    this.#destroyFormer();
    return key;
  }

  #step(now: number): void {
    const record = this.#record;
    if (!record) return;
    const { current, next } = record;
    const step = rolloverStep(
      {
        current: current.validity,
        ...(next && { next: { ...next.validity, activateAt: next.activateAt } }),
        maxLeafSeconds: this.#settings.maxSeconds,
        otherKeyWanted: isOlderThan(current.validity, this.#settings.rotateBefore, now),
      },
      now,
    );
    if (step === 'keep') return;
    this.#options.log.info({ step, generation: current.generation }, 'token signing key rollover');
    if (step === 'prepare') this.#prepare(record, now);
    else this.#activate(record, now);
  }

  #prepare(record: TokenKeyRecord, now: number): void {
    const generation = this.#keys.next(record.current.generation);
    const entry = this.#entry(generation, this.#keys.obtain(generation, ALGORITHM), now);
    const activateAt = now + overlapMs(this.#settings.keyLifetimeSeconds);
    this.#record = this.#saved({ ...record, next: { ...entry, activateAt } });
  }

  /** Goes over to the next key; where there is none, or it is lost, to a fresh one. */
  #activate(record: TokenKeyRecord, now: number): void {
    const { next } = record;
    const prepared = next && this.#keys.find(next.generation);
    const generation = next && prepared ? next.generation : this.#keys.next(record.current.generation);
    const key = prepared ?? this.#keys.obtain(generation, ALGORITHM);
    const current = this.#entry(generation, key, now);
    this.#record = this.#saved({ ...this.#blank(), current, former: this.#withFormer(record, now) });
    this.#key = key;
    this.#destroyFormer();
  }

  #retire(now: number): void {
    const record = this.#record;
    if (!record) return;
    const former = record.former.filter(({ keepUntil }) => keepUntil > now);
    if (former.length === record.former.length) return;
    this.#record = this.#saved({ ...record, former });
  }

  /** A former key never signs again, so its private half goes at once; only its public half is still needed. */
  #destroyFormer(): void {
    try {
      if (this.#record) this.#keys.destroyUnused(this.#record.current.generation, new Set());
    } catch (thrown) {
      this.#options.log.warn({ err: asKeysteadError(thrown).message }, 'cannot destroy a former token signing key');
    }
  }

  #withFormer({ current, former, longestTokenSeconds }: TokenKeyRecord, now: number): TokenKeyRecord['former'] {
    return [{ ...current, keepUntil: now + longestTokenSeconds * 1000 + SKEW_MS }, ...former];
  }

  #blank(): Pick<TokenKeyRecord, 'longestTokenSeconds'> {
    return { longestTokenSeconds: this.#settings.maxSeconds };
  }

  #entry(generation: number, key: HeldKey, now: number): TokenKeyEntry {
    const validity = validityFrom(now, this.#settings.keyLifetimeSeconds, CA_BACKDATE_MS);
    return tokenKeyEntry(generation, key.publicKey, validity);
  }

  #statusOf({ jwk, keyId }: TokenKeyEntry, state: TokenKeyStatus['state'], until: number): TokenKeyStatus {
    const common = { keyId, state, until, jwk };
    if (state !== 'Current' || !this.#key) return common;
    const { sensitive, extractable } = this.#key.attributes;
    return { ...common, keyUri: this.#key.uri, sensitive, extractable };
  }

  #readRecord(): TokenKeyRecord | undefined {
    const { state, log } = this.#options;
    try {
      const document = state.read(DOCUMENT);
      return document === undefined ? undefined : decodeTokenRecord(document);
    } catch (thrown) {
      log.error({ err: asKeysteadError(thrown).message }, 'the record of token keys is unreadable, making a new key');
      state.setAside(DOCUMENT);
      return undefined;
    }
  }

  #saved(record: TokenKeyRecord): TokenKeyRecord {
    this.#options.state.write(DOCUMENT, encodeTokenRecord(record));
    return record;
  }
}
