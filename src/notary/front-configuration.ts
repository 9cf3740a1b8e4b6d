// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { checkSameHome, decodeConfiguration, sameConfiguration } from './configuration.ts';
import type { NotaryConfiguration } from './port.ts';
import { placeOf } from './root-of-trust/opener.ts';
import type { StateFolder } from './state-folder.ts';
import type { TokenThread } from './threads/thread.ts';

export interface FrontConfigurationOptions {
  readonly state: StateFolder;
  readonly log: Logger;
  /** Starts a thread for what runs in a place. */
  readonly startThread: (place: string) => TokenThread;
}

const DOCUMENT = 'configuration';
const RETRY_AFTER_MS = 500;

/** Keeps the configuration, and a thread for the root of trust that it names. */
export class FrontConfiguration {
  readonly #options: FrontConfigurationOptions;
  #present: NotaryConfiguration | undefined;
  #place = '';
  #thread: TokenThread | undefined;
  #changing = false;

  constructor(options: FrontConfigurationOptions) {
    this.#options = options;
  }

  /** Undefined before there is a configuration. */
  get thread(): TokenThread | undefined {
    return this.#thread;
  }

  /** Takes up the configuration that the state folder holds, so that a restart needs nobody's word. */
  async resume(): Promise<void> {
    const kept = this.#read();
    if (!kept) return;
    this.#present = kept;
    this.#place = placeOf(kept.rootOfTrust);
    this.#thread = this.#options.startThread(this.#place);
    await this.#thread.configure(kept, false);
  }

  /**
   * Takes over a configuration; the same again does nothing. A first one is kept even where the token cannot be opened
   * yet: the status says why. Rejects where a later one cannot be put into effect, and the former stays. `stuck` is told
   * where the token hangs; the change may still come into effect after that.
   */
  async change(wanted: NotaryConfiguration, stuck: (error: KeysteadError) => void): Promise<void> {
    const present = this.#present;
    if (present && sameConfiguration(present, wanted)) return;
    if (present) checkSameHome(present, wanted);
    if (this.#changing) {
      const message = `another configuration is just being put into effect; ask again in ${RETRY_AFTER_MS} ms`;
      throw new KeysteadError('Unavailable', message, { retryAfterMs: RETRY_AFTER_MS });
    }
    this.#changing = true;
    try {
      await this.#putIntoEffect(wanted, stuck);
    } finally {
      this.#changing = false;
    }
    this.#options.state.write(DOCUMENT, wanted);
    this.#present = wanted;
    this.#options.log.info({ configuration: wanted }, 'configured');
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  async #putIntoEffect(wanted: NotaryConfiguration, stuck: (error: KeysteadError) => void): Promise<void> {
    const place = placeOf(wanted.rootOfTrust);
    const former = this.#thread;
    if (former && place === this.#place) {
      await former.configure(wanted, false, stuck);
      return;
    }
    const thread = this.#options.startThread(place);
    if (former?.status.issuer) {
      // The new is opened before the old is let go of.
      await thread.configure(wanted, true, stuck).catch((thrown: unknown) => {
        void thread.close();
        throw thrown;
      });
    } else {
      this.#thread = thread;
      this.#place = place;
      await thread.configure(wanted, false, stuck);
    }
    this.#thread = thread;
    this.#place = place;
    void former?.close();
  }

  #read(): NotaryConfiguration | undefined {
    const { state, log } = this.#options;
    try {
      const document = state.read(DOCUMENT);
      return document === undefined ? undefined : decodeConfiguration(document);
    } catch (thrown) {
      const { message } = asKeysteadError(thrown);
      log.error({ err: message }, 'the kept configuration is unreadable, waiting for the agent');
      state.setAside(DOCUMENT);
      return undefined;
    }
  }
}
