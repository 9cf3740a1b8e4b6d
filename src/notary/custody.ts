// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { asKeysteadError, KeysteadError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import { Attestation } from './attestation.ts';
import type { IssuingAuthority } from './authority.ts';
import { isSameAuthority, openAuthority, reconfigureAuthority } from './authorities.ts';
import { deviceKey } from './device-key.ts';
import { HubKeys } from './hub-keys.ts';
import { KeyInventory } from './key-inventory.ts';
import type { KeyStatus } from './key-role.ts';
import { ModuleKeys, UnfitModuleKey } from './module-keys.ts';
import type { NotaryConfiguration } from './port.ts';
import type { Attester } from './root-of-trust/attester.ts';
import type { AttesterPlace, RootChoice } from './root-of-trust/choice.ts';
import type { RootOpening } from './root-of-trust/opener.ts';
import type { Sealer } from './root-of-trust/pkcs11/sealed-pin.ts';
import type { HeldKey, RootOfTrust } from './root-of-trust/port.ts';
import { openRoots, type Roots } from './root-of-trust/roots.ts';
import type { StateFolder } from './state-folder.ts';
import { TokenKeys } from './token-keys.ts';

export interface CustodyOptions {
  readonly openRoot: (opening: RootOpening) => RootOfTrust;
  /** Opens the TPM that attests where the root of trust is another. */
  readonly openAttester: (place: AttesterPlace) => Attester;
  /** SHA-256 of this program, which is measured into that TPM. */
  readonly program: Buffer;
  readonly state: StateFolder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called now and then while something is open, and when it has just been opened. Must not throw. */
  readonly upkeep?: () => void;
  /** An attempt to open the root of trust has ended so. */
  readonly opening: (result: 'Ok' | ErrorCode) => void;
  /** What is open, or why nothing is, may have changed. */
  readonly changed: () => void;
}

/** An open root of trust with the node's authority on it. */
export interface Held {
  readonly configuration: NotaryConfiguration;
  readonly roots: Roots;
  readonly attestation: Attestation;
  readonly authority: IssuingAuthority;
  readonly moduleKeys: ModuleKeys;
  readonly tokens: TokenKeys;
  readonly hubKeys: HubKeys;
  /** The device's own, towards the cloud; undefined where the root of trust cannot hold one. */
  readonly deviceKey: HeldKey | undefined;
}

/** Waits between attempts to open the token, milliseconds: doubled from the first to the last. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** What only a change by the user can cure is looked at again this seldom. It costs no PIN attempt. */
const REPAIRED_CHECK_MS = 10_000;
/** How often rollover is thought of. */
const MAINTAIN_MS = 30_000;

/** Errors after which the token has to be opened anew. */
const TOKEN_CODES: ReadonlySet<ErrorCode> = new Set([
  'TokenLibraryUnusable',
  'TokenAbsent',
  'TokenFailed',
  'PinRejected',
  'PinLocked',
  'KeyUnfit',
]);

/**
 * Keeps the token open and the authority on it alive: opens, retries with back-off, opens anew after a failure. The
 * process stays up whatever the token does; a restart would change nothing and hide the reason.
 */
export class Custody {
  readonly #options: CustodyOptions;
  #wanted: NotaryConfiguration | undefined;
  #held: Held | undefined;
  #failure: KeysteadError | undefined;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  /** What seals PINs, where a TPM of its own attests. */
  #sealing: Attestation | undefined;
  readonly #maintenance: NodeJS.Timeout;
  readonly #inventory: KeyInventory;

  constructor(options: CustodyOptions) {
    this.#options = options;
    this.#inventory = new KeyInventory(options);
    this.#maintenance = setInterval(() => this.#maintain(), MAINTAIN_MS).unref();
  }

  /** What is open now; undefined where nothing is. */
  get held(): Held | undefined {
    return this.#held;
  }

  /** All keys of this node that were met so far. */
  keys(): readonly KeyStatus[] {
    return this.#inventory.list();
  }

  /** Why nothing is open; undefined where something is, or nothing was asked for. */
  get failure(): KeysteadError | undefined {
    return this.#failure;
  }

  /** Opens what the configuration names and goes on trying in the background; `failure` tells how it went. */
  keep(configuration: NotaryConfiguration): void {
    this.#wanted = configuration;
    this.#attempt();
  }

  /**
   * Moves from one configuration to another. Where something is open, the new is opened before the old is let go of;
   * where that fails the old stays in use and the error is thrown.
   */
  change(configuration: NotaryConfiguration): void {
    const held = this.#held;
    if (!held) {
      this.#retryMs = FIRST_RETRY_MS;
      this.keep(configuration);
      return;
    }
    if (sameRoot(held.configuration, configuration)) {
      reconfigureAuthority(held.authority, configuration.issuer);
      held.tokens.reconfigure(configuration.tokens);
      held.hubKeys.reconfigure(configuration.masterSecretVersion);
      this.#held = { ...held, configuration, attestation: this.#reattest(held, configuration) };
    } else {
      this.#held = this.#open(configuration);
      letGo(held);
    }
    this.#wanted = configuration;
    this.#options.upkeep?.();
  }

  /** Runs something that uses the token; where the token fails it is opened anew in the background. Throws its error. */
  use<T>(operation: (held: Held) => T): T {
    const held = this.#held;
    if (!held) {
      throw this.#failure ?? new KeysteadError('Unavailable', 'the notary is not configured yet; the agent does that');
    }
    try {
      return operation(held);
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      if (TOKEN_CODES.has(error.code) && !(error instanceof UnfitModuleKey)) this.#lose(error);
      throw error;
    }
  }

  close(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#maintenance);
    this.#inventory.flush();
    if (this.#held) letGo(this.#held);
    this.#held = undefined;
  }

  #attempt(): void {
    clearTimeout(this.#retry);
    if (!this.#wanted) return;
    try {
      this.#held = this.#open(this.#wanted);
      this.#failure = undefined;
      this.#retryMs = FIRST_RETRY_MS;
      const { token } = this.#held.roots.device;
      this.#options.log.info({ tokenLabel: token.label, tokenSerial: token.serial }, 'ready to issue');
      this.#options.upkeep?.();
      this.#options.changed();
    } catch (thrown) {
      this.#fail(asKeysteadError(thrown));
    }
  }

  #open(configuration: NotaryConfiguration): Held {
    const { openRoot, opening, clock, log, state } = this.#options;
    const rest = { clock, log, state };
    try {
      const { attestation: early, sealer } = this.#early(configuration);
      const open = (choice: RootChoice): RootOfTrust =>
        this.#inventory.watch(openRoot({ ...choice, ...(sealer && { sealer }) }));
      const roots = closing(early, () => openRoots(configuration.rootOfTrust, open));
      const { device: root, modules } = roots;
      const attestation = early ?? this.#attestation(root, configuration);
      if (!early) attestation.measure();
      const authority = authorityOn(roots, { ...rest, configuration });
      const moduleKeys = new ModuleKeys(modules, configuration, rest.log);
      const tokens = new TokenKeys({ ...rest, root, configuration });
      const hubKeys = new HubKeys(modules, configuration);
      const own = deviceKey(root, configuration, rest.log);
      const held = { configuration, roots, attestation, authority, moduleKeys, tokens, hubKeys, deviceKey: own };
      this.#inventory.reconcile([root, modules]);
      this.#inventory.flush();
      opening('Ok');
      return held;
    } catch (thrown) {
      opening(asKeysteadError(thrown).code);
      throw thrown;
    }
  }

  /** A TPM of its own attests before anything else is opened: what it has sealed may be needed for that. */
  #early(configuration: NotaryConfiguration): { attestation?: Attestation; sealer?: Sealer } {
    const { tpm, applicationPcr } = configuration.measuredBoot ?? {};
    if (!tpm || applicationPcr === undefined) return {};
    const attestation = this.#attestation(undefined, configuration);
    attestation.measure();
    this.#sealing = attestation;
    // Of the attestation that there is then: another one measures what it was configured with.
    const current = (): Attestation => this.#sealing ?? attestation;
    const sealer: Sealer = {
      seal: (secret) => current().use((attester) => attester.seal(secret, applicationPcr)),
      unseal: (sealed) => current().use((attester) => attester.unseal(sealed)),
    };
    return { attestation, sealer };
  }

  #attestation(root: RootOfTrust | undefined, { measuredBoot }: NotaryConfiguration): Attestation {
    const { openAttester, program, log } = this.#options;
    const { tpm, applicationPcr = 0, agentProgram } = measuredBoot ?? {};
    const own = root?.attester;
    const open = tpm ? () => openAttester(tpm) : own && measuredBoot && (() => own);
    const programs = [program, ...(agentProgram === undefined ? [] : [Buffer.from(agentProgram, 'hex')])];
    return new Attestation({ open, pcr: applicationPcr, programs, log });
  }

  #reattest(held: Held, configuration: NotaryConfiguration): Attestation {
    if (isDeepStrictEqual(held.configuration.measuredBoot, configuration.measuredBoot)) return held.attestation;
    held.attestation.close();
    const attestation = this.#attestation(held.roots.device, configuration);
    attestation.measure();
    this.#sealing = attestation;
    return attestation;
  }

  #fail(error: KeysteadError): void {
    // Said once, not at every attempt.
    if (error.message !== this.#failure?.message) {
      this.#options.log.error({ code: error.code, err: error.message }, 'cannot issue');
    }
    this.#failure = error;
    const wait = error.retryable ? this.#retryMs : REPAIRED_CHECK_MS;
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    this.#retry = setTimeout(() => this.#attempt(), wait).unref();
    this.#options.changed();
  }

  #lose(error: KeysteadError): void {
    if (this.#held) letGo(this.#held);
    this.#held = undefined;
    this.#fail(error);
  }

  #maintain(): void {
    try {
      this.#held?.authority.maintain();
      this.#held?.tokens.maintain();
      this.#inventory.flush();
      if (this.#held) this.#options.upkeep?.();
      this.#options.changed();
    } catch (thrown) {
      this.#lose(asKeysteadError(thrown));
    }
  }
}

function authorityOn(roots: Roots, options: Omit<Parameters<typeof openAuthority>[0], 'root'>): IssuingAuthority {
  try {
    return openAuthority({ ...options, root: roots.device });
  } catch (thrown) {
    roots.close();
    throw thrown;
  }
}

/** Lets go of a TPM that was opened for what then fails. */
function closing<T>(attestation: Attestation | undefined, open: () => T): T {
  try {
    return open();
  } catch (thrown) {
    attestation?.close();
    throw thrown;
  }
}

function letGo({ attestation, roots }: Held): void {
  attestation.close();
  roots.close();
}

/** Whether what is open goes on under other settings. */
function sameRoot(a: NotaryConfiguration, b: NotaryConfiguration): boolean {
  return JSON.stringify(a.rootOfTrust) === JSON.stringify(b.rootOfTrust) && isSameAuthority(a.issuer, b.issuer);
}
