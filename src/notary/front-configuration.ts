// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { checkSameHome, decodeConfiguration, sameConfiguration } from './configuration.ts';
import type { NotaryConfiguration } from './port.ts';
import { placesOf } from './share.ts';
import type { StateFolder } from './state-folder.ts';
import type { TokenThread } from './threads/thread.ts';
import { isSamePost, meet, postsOf, TokenThreads, type Post, type PostedThread } from './token-threads.ts';

export interface FrontConfigurationOptions {
  readonly state: StateFolder;
  readonly log: Logger;
  readonly startThread: (post: Post) => TokenThread;
}

const DOCUMENT = 'configuration';
const RETRY_AFTER_MS = 500;

type Stuck = (error: KeysteadError) => void;

/** Keeps the configuration, and threads for the roots of trust that it names. */
export class FrontConfiguration {
  readonly #options: FrontConfigurationOptions;
  #present: NotaryConfiguration | undefined;
  #threads = new TokenThreads([]);
  #changing = false;

  constructor(options: FrontConfigurationOptions) {
    this.#options = options;
  }

  /** Of the configuration in effect; none before there is one. */
  get threads(): TokenThreads {
    return this.#threads;
  }

  /** Takes up the configuration that the state folder holds, so that a restart needs nobody's word. */
  async resume(): Promise<void> {
    const kept = this.#read();
    if (!kept) return;
    this.#present = kept;
    const threads = new TokenThreads(postsOf(placesOf(kept)).map((post) => this.#started(post)));
    this.#threads = threads;
    await Promise.all(threads.all.map((one) => one.thread.configure(threads.change(one, kept))));
  }

  /**
   * Takes over a configuration; the same again does nothing. A first one is kept even where the token cannot be opened
   * yet: the status says why. Rejects where a later one cannot be put into effect, and the former stays. `stuck` is told
   * where the token hangs; the change may still come into effect after that.
   */
  async change(wanted: NotaryConfiguration, stuck: Stuck): Promise<void> {
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
    await Promise.all(this.#threads.all.map(({ thread }) => thread.close()));
  }

  /** The new is opened before the old is let go of, unless both want one place. */
  async #putIntoEffect(wanted: NotaryConfiguration, stuck: Stuck): Promise<void> {
    const former = this.#threads;
    const posts = postsOf(placesOf(wanted));
    const stays = (one: Post): boolean => posts.some((post) => isSamePost(post, one));
    const inTheWay = former.all.filter((one) => !stays(one) && posts.some((post) => meet(post, one)));
    await Promise.all(inTheWay.map(({ thread }) => thread.close()));
    const next = new TokenThreads(posts.map((post) => former.kept(post) ?? this.#started(post)));
    // Where nothing was open the status tells how it goes with the new.
    if (!former.all.some(({ role }) => former.isOpen(role))) this.#threads = next;
    try {
      for (const one of next.all) {
        const mustOpen = !former.includes(one) && former.isOpen(one.role);
        await one.thread.configure(next.change(one, wanted, mustOpen), stuck);
      }
    } catch (thrown) {
      await this.#restore(former, { next, inTheWay });
      throw thrown;
    }
    this.#threads = next;
    for (const one of former.all) if (!stays(one) && !inTheWay.includes(one)) void one.thread.close();
  }

  async #restore(former: TokenThreads, { next, inTheWay }: Failed): Promise<void> {
    await Promise.all(next.all.filter((one) => !former.includes(one)).map(({ thread }) => thread.close()));
    const again = new TokenThreads(former.all.map((one) => (inTheWay.includes(one) ? this.#started(one) : one)));
    this.#threads = again;
    const present = this.#present;
    if (present) await Promise.all(again.all.map((one) => one.thread.configure(again.change(one, present))));
  }

  #started(post: Post): PostedThread {
    return { ...post, thread: this.#options.startThread(post) };
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

/** A change that did not come about. */
interface Failed {
  readonly next: TokenThreads;
  /** Threads that were closed to make room. */
  readonly inTheWay: readonly PostedThread[];
}
