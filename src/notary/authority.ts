// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify } from 'node:crypto';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { buildCa, type IssuerIdentity } from '../issue/certificate.ts';
import { subjectAltNames, subjectKeyIdentifierOf } from '../issue/certificate-reader.ts';
import { randomSerial } from '../issue/serial.ts';
import { SIGNATURE_ALGORITHMS } from '../issue/signature-algorithm.ts';
import { CA_BACKDATE_MS, LEAF_BACKDATE_MS, validityFrom } from '../issue/validity.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import { caEntry, decodeRecord, encodeRecord, type AuthorityRecord, type CaEntry } from './authority-record.ts';
import { KeyGenerations } from './key-generations.ts';
import type { SelfSignedIssuer } from './issuer-settings.ts';
import type { NotaryConfiguration } from './port.ts';
import { isOlderThan, lifetimeMs, overlapMs, rolloverStep } from './rollover.ts';
import type { HeldKey, KeyAlgorithm, RootOfTrust } from './root-of-trust/port.ts';
import type { StateFolder } from './state-folder.ts';

export interface AuthorityOptions {
  readonly root: RootOfTrust;
  readonly configuration: Pick<NotaryConfiguration, 'trustDomain' | 'node'>;
  readonly settings: SelfSignedIssuer;
  readonly state: StateFolder;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The CA that issues now. */
export interface Issuer {
  readonly key: HeldKey;
  readonly entry: CaEntry;
  readonly identity: IssuerIdentity;
  /** What peers need between a leaf and an anchor, DER: the CA itself and those above it, without the self-signed root. */
  readonly intermediates: readonly Buffer[];
}

/** The CA of a node, however it came about. */
export interface IssuingAuthority {
  readonly issuer: Issuer;
  /** The certificates that modules must trust, DER: the issuing one first, then the next, then former ones. */
  readonly anchors: readonly Buffer[];
  /** The CAs that sign revocation lists: the one that issues, and former ones whose key is still there. */
  readonly issuers: readonly Issuer[];
  /** Key identifiers of all CAs whose leaves are still good. */
  readonly keyIdentifiers: readonly Buffer[];
  /** Whether a public key (SubjectPublicKeyInfo, DER) is one of this authority's. */
  isOwnKey(publicKey: Buffer): boolean;
  /** Takes the steps that are due; cheap where none is. */
  maintain(): void;
}

const DOCUMENT = 'authority';

/**
 * The node's certification authority: a self-signed CA whose key lives on the token. It survives the loss of either
 * half (the certificate is issued again for a living key; a lost key is replaced and its certificate stays an anchor),
 * and renews itself with overlap. Every step is on disk before its effect is seen.
 */
export class Authority implements IssuingAuthority {
  readonly #options: AuthorityOptions;
  readonly #keys: KeyGenerations;
  #settings: SelfSignedIssuer;
  #record: AuthorityRecord;
  #issuer: Issuer;

  /** Finds or makes key and certificate. Throws what the root of trust throws, KeyUnfit among it. */
  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#settings = options.settings;
    const { trustDomain, node } = options.configuration;
    this.#keys = new KeyGenerations(options.root, { purpose: 'issuer', trustDomain, node }, options.log);
    const known = this.#readRecord();
    const { record, key } = known ? this.#resume(known) : this.#begin();
    this.#record = record;
    this.#issuer = issuerOf(key, record.current);
    this.#noteLeafLimit();
    this.maintain();
    this.#destroyUnused();
  }

  get issuer(): Issuer {
    return this.#issuer;
  }

  get anchors(): readonly Buffer[] {
    const { current, next, former } = this.#record;
    return [current, ...(next ? [next] : []), ...former].map((entry) => entry.der);
  }

  get issuers(): readonly Issuer[] {
    const former = this.#record.former.flatMap((entry) => {
      const key = this.#keys.find(entry.generation);
      return key?.publicKey.equals(entry.certificate.publicKey) ? [issuerOf(key, entry)] : [];
    });
    const isFirst = ({ key }: Issuer, index: number, all: readonly Issuer[]): boolean =>
      all.findIndex((other) => other.key.publicKey.equals(key.publicKey)) === index;
    return [this.#issuer, ...former].filter(isFirst);
  }

  get keyIdentifiers(): readonly Buffer[] {
    const { current, next, former } = this.#record;
    return [current, ...(next ? [next] : []), ...former].flatMap(
      ({ certificate }) => subjectKeyIdentifierOf(certificate) ?? [],
    );
  }

  isOwnKey(publicKey: Buffer): boolean {
    const { current, next, former } = this.#record;
    if (current.certificate.publicKey.equals(publicKey)) return true;
    return [...(next ? [next] : []), ...former].some((entry) => entry.certificate.publicKey.equals(publicKey));
  }

  /** Takes over changed issuer settings; another lifetime counts from the next CA on. */
  reconfigure(settings: SelfSignedIssuer): void {
    this.#settings = settings;
    this.#noteLeafLimit();
    this.maintain();
  }

  /**
   * Takes the steps of rollover that are due; cheap where none is. Where a step fails (no room on the token or the disk)
   * while the current CA is still good, issuing goes on and the step is tried again next time; else its error is thrown.
   */
  maintain(): void {
    const now = this.#options.clock.now();
    try {
      this.#retire(now);
      this.#step(now);
    } catch (thrown) {
      const { notBefore, notAfter } = this.#record.current.certificate.validity;
      if (now < notBefore || now > notAfter) throw thrown;
      const { code, message } = asKeysteadError(thrown);
      this.#options.log.error({ code, err: message }, 'cannot roll the CA over, trying again later');
    }
  }

  #step(now: number): void {
    const step = rolloverStep(this.#situation(now), now);
    if (step === 'keep') return;
    this.#options.log.info({ step, generation: this.#record.current.generation }, 'CA rollover');
    if (step === 'prepare') this.#prepare(now);
    if (step === 'replace') this.#replace();
    if (step === 'activate') this.#activate(now);
  }

  #situation(now: number): Parameters<typeof rolloverStep>[0] {
    const { current, next } = this.#record;
    return {
      current: current.certificate.validity,
      ...(next && { next: { ...next.certificate.validity, activateAt: next.activateAt } }),
      maxLeafSeconds: this.#settings.maxLeafSeconds,
      otherKeyWanted:
        this.#issuer.key.algorithm !== this.#settings.algorithm ||
        isOlderThan(current.certificate.validity, this.#settings.rotateBefore, now),
    };
  }

  /** Nothing is remembered: a first start, or a lost state folder with a key that still lives on the token. */
  #begin(): { record: AuthorityRecord; key: HeldKey } {
    const newest = this.#keys.newest();
    const living = newest > 0 ? this.#keys.find(newest) : undefined;
    const key = living ?? this.#keys.obtain(newest + 1, this.#settings.algorithm);
    if (living) this.#options.log.warn({ key: key.uri }, 'CA certificate lost, issued again for the living key');
    const current = this.#certify(key, living ? newest : newest + 1);
    return { key, record: this.#saved({ ...this.#blank(), current, former: [] }) };
  }

  #resume(record: AuthorityRecord): { record: AuthorityRecord; key: HeldKey } {
    const key = this.#keys.find(record.current.generation);
    if (key && this.#isSoundFor(record.current, key)) return { record, key };
    const former = this.#withFormer(record, record.current.certificate.validity.notAfter);
    if (key) {
      this.#options.log.warn({ key: key.uri }, 'CA certificate does not fit its key, issued again');
      const current = this.#certify(key, record.current.generation);
      return { key, record: this.#saved({ ...record, ...this.#blank(), current, former }) };
    }
    const generation = this.#keys.next(Math.max(record.current.generation, record.next?.generation ?? 0));
    const replacement = this.#keys.obtain(generation, this.#settings.algorithm);
    const tokens = { formerTokenSerial: record.token, tokenSerial: this.#options.root.token.serial };
    this.#options.log.warn(tokens, 'CA key lost, made a new one; the old certificate stays an anchor');
    const current = this.#certify(replacement, generation);
    return { key: replacement, record: this.#saved({ ...this.#blank(), current, former }) };
  }

  #prepare(now: number): void {
    const generation = this.#keys.next(this.#record.current.generation);
    const entry = this.#certify(this.#keys.obtain(generation, this.#settings.algorithm), generation);
    // By the shorter life of the two: a CA that lasts for minutes is not followed after a day.
    const life = Math.min(this.#settings.lifetimeSeconds, lifetimeMs(this.#record.current.certificate.validity) / 1000);
    const activateAt = now + overlapMs(life);
    this.#record = this.#saved({ ...this.#record, next: { ...entry, activateAt } });
  }

  #replace(): void {
    const generation = this.#keys.next(this.#record.current.generation);
    const key = this.#keys.obtain(generation, this.#settings.algorithm);
    const former = this.#withFormer(this.#record, this.#record.current.certificate.validity.notAfter);
    this.#record = this.#saved({ ...this.#blank(), current: this.#certify(key, generation), former });
    this.#issuer = issuerOf(key, this.#record.current);
  }

  #activate(now: number): void {
    const { next } = this.#record;
    if (!next) return;
    const key = this.#keys.find(next.generation);
    if (!key || !this.#isSoundFor(next, key)) {
      this.#replace();
      return;
    }
    const current = { generation: next.generation, der: next.der, certificate: next.certificate };
    const lastLeafEnds = now + this.#record.longestLeafSeconds * 1000 + LEAF_BACKDATE_MS;
    const former = this.#withFormer(this.#record, lastLeafEnds);
    this.#record = this.#saved({ ...this.#blank(), current, former });
    this.#issuer = issuerOf(key, current);
  }

  #retire(now: number): void {
    const former = this.#record.former.filter((entry) => entry.keepUntil > now);
    if (former.length === this.#record.former.length) return;
    this.#record = this.#saved({ ...this.#record, former });
    this.#destroyUnused();
  }

  #destroyUnused(): void {
    const used = new Set(this.#record.former.map((entry) => entry.generation));
    try {
      this.#keys.destroyUnused(this.#record.current.generation, used);
    } catch (thrown) {
      // A key that stays behind does no harm; the next start tries again.
      this.#options.log.warn({ err: asKeysteadError(thrown).message }, 'cannot destroy a former CA key');
    }
  }

  #withFormer(record: AuthorityRecord, keepUntil: number): AuthorityRecord['former'] {
    const until = Math.min(keepUntil, record.current.certificate.validity.notAfter);
    return [{ ...record.current, keepUntil: until }, ...record.former];
  }

  #blank(): Pick<AuthorityRecord, 'token' | 'longestLeafSeconds'> {
    return { token: this.#options.root.token.serial, longestLeafSeconds: this.#settings.maxLeafSeconds };
  }

  #certify(key: HeldKey, generation: number): CaEntry {
    const { trustDomain, node } = this.#options.configuration;
    const validity = validityFrom(this.#options.clock.now(), this.#settings.lifetimeSeconds, CA_BACKDATE_MS);
    return caEntry(generation, buildCa(key, { serial: randomSerial(), validity, trustDomain, commonName: node }));
  }

  /** Whether a certificate is this key's own, in this trust domain. */
  #isSoundFor({ certificate }: CaEntry, key: HeldKey): boolean {
    return (
      certificate.publicKey.equals(key.publicKey) &&
      subjectAltNames(certificate).uris.includes(`spiffe://${this.#options.configuration.trustDomain}`) &&
      verifiesWith(key, certificate.tbs, certificate.signature)
    );
  }

  #noteLeafLimit(): void {
    if (this.#settings.maxLeafSeconds <= this.#record.longestLeafSeconds) return;
    this.#record = this.#saved({ ...this.#record, longestLeafSeconds: this.#settings.maxLeafSeconds });
  }

  #readRecord(): AuthorityRecord | undefined {
    try {
      const document = this.#options.state.read(DOCUMENT);
      return document === undefined ? undefined : decodeRecord(document);
    } catch (thrown) {
      const { message } = asKeysteadError(thrown);
      this.#options.log.error(
        { err: message },
        'the CA certificates in the state folder are unreadable, starting over',
      );
      this.#options.state.setAside(DOCUMENT);
      return undefined;
    }
  }

  #saved(record: AuthorityRecord): AuthorityRecord {
    this.#options.state.write(DOCUMENT, encodeRecord(record));
    return record;
  }
}

function verifiesWith(
  key: { readonly algorithm: KeyAlgorithm; readonly publicKey: Buffer },
  message: Buffer,
  signature: Buffer,
): boolean {
  const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
  return verify(SIGNATURE_ALGORITHMS[key.algorithm].digest, message, publicKey, signature);
}

function issuerOf(key: HeldKey, entry: CaEntry): Issuer {
  const keyIdentifier = subjectKeyIdentifierOf(entry.certificate);
  if (!keyIdentifier) throw new KeysteadError('Internal', 'the CA certificate has no subjectKeyIdentifier');
  return { key, entry, identity: { name: entry.certificate.subject, keyIdentifier }, intermediates: [] };
}
