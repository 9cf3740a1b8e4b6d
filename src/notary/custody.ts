// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError, type ErrorCode } from '../errors.ts';
import { deviceIn, modulesIn, type Held, type HeldDevice, type HeldModules } from './held.ts';
import { KeysOpener, type KeysOpenerOptions } from './keys-opener.ts';
import { UnfitModuleKey } from './module-keys.ts';
import type { NotaryConfiguration } from './port.ts';
import type { Share } from './share.ts';

export interface CustodyOptions extends KeysOpenerOptions {
  /** Called now and then while the node's own keys are open, and when they have just been opened. Must not throw. */
  readonly upkeep?: () => void;
  /** What is open, or why nothing is, may have changed. */
  readonly changed: () => void;
}

/** What is to be kept open. */
interface Wanted {
  readonly configuration: NotaryConfiguration;
  readonly share: Share;
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
  readonly #opener: KeysOpener;
  readonly #maintenance: NodeJS.Timeout;
  #wanted: Wanted | undefined;
  #held: Held | undefined;
  #failure: KeysteadError | undefined;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: CustodyOptions) {
    this.#options = options;
    this.#opener = new KeysOpener(options);
    this.#maintenance = setInterval(() => this.#maintain(), MAINTAIN_MS).unref();
  }

  /** What is open now; undefined where nothing is. */
  get held(): Held | undefined {
    return this.#held;
  }

  /** Why nothing is open; undefined where something is, or nothing was asked for. */
  get failure(): KeysteadError | undefined {
    return this.#failure;
  }

  /**
   * Moves to a configuration. Where nothing is open it goes on trying in the background, and `failure` tells how it went.
   * Where something is, the new is opened before the old is let go of; if that fails the old stays in use and the error
   * is thrown.
   */
  change(configuration: NotaryConfiguration, share: Share): void {
    const held = this.#held;
    const wanted = { configuration, share };
    if (!held) {
      this.#retryMs = FIRST_RETRY_MS;
      this.#wanted = wanted;
      this.#attempt();
      return;
    }
    const adjusted = this.#opener.adjusted(held, configuration, share);
    // Another one reads what was last written of it.
    held.inventory.flush();
    this.#held = adjusted ?? this.#opener.open(configuration, share);
    if (!adjusted) this.#opener.letGo(held);
    this.#wanted = wanted;
    this.#upkeep();
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

  useDevice<T>(operation: (held: HeldDevice) => T): T {
    return this.use((held) => operation(deviceIn(held)));
  }

  useModules<T>(operation: (held: HeldModules) => T): T {
    return this.use((held) => operation(modulesIn(held)));
  }

  close(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#maintenance);
    if (this.#held) this.#opener.letGo(this.#held);
    this.#held = undefined;
  }

  #attempt(): void {
    clearTimeout(this.#retry);
    if (!this.#wanted) return;
    try {
      const { configuration, share } = this.#wanted;
      this.#held = this.#opener.open(configuration, share);
      this.#failure = undefined;
      this.#retryMs = FIRST_RETRY_MS;
      const { device, modules } = this.#held;
      const { label, serial } = (device ?? modules)?.root.token ?? {};
      const what = device ? 'ready to issue' : "ready to use modules' keys";
      this.#options.log.info({ tokenLabel: label, tokenSerial: serial }, what);
      this.#upkeep();
      this.#options.changed();
    } catch (thrown) {
      this.#fail(asKeysteadError(thrown));
    }
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
    if (this.#held) this.#opener.letGo(this.#held);
    this.#held = undefined;
    this.#fail(error);
  }

  #maintain(): void {
    try {
      this.#held?.device?.authority.maintain();
      this.#held?.device?.tokens.maintain();
      this.#held?.inventory.flush();
      this.#upkeep();
      this.#options.changed();
    } catch (thrown) {
      this.#lose(asKeysteadError(thrown));
    }
  }

  #upkeep(): void {
    if (this.#held?.device) this.#options.upkeep?.();
  }
}
