// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../../errors.ts';
import { DRAFT_VALUES, draftAt, type Draft } from '../drafts/draft.ts';
import type { NotaryConfiguration, TokenStatus } from '../port.ts';
import type { WireError } from '../protocol.ts';
import type { TokenPerformers } from '../operations/index.ts';
import type { DraftingTerms } from '../drafts/terms.ts';
import type { Share } from '../share.ts';
import { Turns } from '../turns.ts';
import type { ConfigurationChange, FromThread, SignedDraft, ThreadAnswer, ThreadLine, ToThread } from './messages.ts';
import { perform, type HeldBackUse } from './performer.ts';

/** What does the work in a thread, with the keys that it holds. */
export interface ThreadService extends Partial<TokenPerformers> {
  /** Takes over its share of a configuration. Throws where that cannot be put into effect: then the former stays. */
  configure(wanted: NotaryConfiguration, share: Share, mustOpen: boolean): void;
  status(): TokenStatus;
  /** Under which leaves may be drafted now; undefined where none can be issued. */
  readonly draftingTerms: DraftingTerms | undefined;
  /** Signs a leaf that was drafted; undefined where it has to be asked for as a whole, which says why. */
  signDraft(draft: Draft): Buffer | undefined;
  /** Makes what was done durable, apart from its record; no answer may leave before it. */
  commit(): void;
  close(): void;
}

export interface TokenWorkerOptions {
  readonly line: ThreadLine<ToThread, FromThread>;
  readonly service: ThreadService;
  readonly uses: HeldBackUse;
  /** Called after each slice of work, before its answers leave. */
  readonly flush: () => void;
  /** Called when all is closed, before the thread ends. */
  readonly end: () => void;
}

/**
 * What runs in the thread of a root of trust: takes requests as they come, does them one after the other, and sends the
 * answers of a slice together, so that the way between the threads is paid for once.
 */
export class TokenWorker {
  readonly #options: TokenWorkerOptions;
  readonly #turns = new Turns(() => this.#send());
  #answers: (ThreadAnswer | SignedDraft)[] = [];
  #toldStatus = '';
  #toldEpoch: number | undefined;

  constructor(options: TokenWorkerOptions) {
    this.#options = options;
    options.line.on('message', (message) => this.#receive(message));
    this.tellStatus();
  }

  /** Tells how the root of trust is, where that has changed. */
  tellStatus(): void {
    const { service, line } = this.#options;
    const status = service.status();
    const terms = service.draftingTerms;
    const text = JSON.stringify(status);
    if (text === this.#toldStatus && terms?.epoch === this.#toldEpoch) return;
    this.#toldStatus = text;
    this.#toldEpoch = terms?.epoch;
    line.postMessage({ kind: 'status', status, ...(terms && { terms }) });
  }

  #receive(message: ToThread): void {
    const { service, uses } = this.#options;
    if (message.kind === 'requests') {
      for (const text of message.texts) this.#turns.add(() => this.#answers.push(perform(text, service, uses)));
    } else if (message.kind === 'drafts') {
      const { values } = message;
      for (let index = 0; index * DRAFT_VALUES < values.length; index++) {
        this.#turns.add(() => this.#answers.push(this.#sign(draftAt(values, index))));
      }
    } else if (message.kind === 'configure') {
      this.#turns.add(() => this.#configure(message));
    } else {
      this.#turns.add(() => this.#close());
    }
  }

  #sign(draft: Draft): SignedDraft {
    const start = performance.now();
    const signature = this.#options.service.signDraft(draft)?.toString('latin1');
    const seconds = (performance.now() - start) / 1000;
    return signature === undefined ? { seconds } : { signature, seconds };
  }

  #configure({ configuration, share, mustOpen }: ConfigurationChange): void {
    // What was done before it must not wait for a token that is slow to open.
    this.#send();
    const { line, service } = this.#options;
    const failure = failureOf(() => service.configure(configuration, share, mustOpen));
    this.tellStatus();
    line.postMessage({ kind: 'configured', ...(failure && { failure }) });
  }

  #close(): void {
    this.#send();
    this.#options.service.close();
    this.#options.line.postMessage({ kind: 'closed' });
    this.#options.end();
  }

  #send(): void {
    const answers = this.#answers;
    if (answers.length === 0) return;
    this.#answers = [];
    const failure = failureOf(() => this.#options.service.commit());
    this.#options.flush();
    this.#options.line.postMessage({ kind: 'answers', answers, ...(failure && { failure }) });
  }
}

function failureOf(step: () => void): WireError | undefined {
  try {
    step();
    return undefined;
  } catch (thrown) {
    const { code, message } = asKeysteadError(thrown);
    return { code, message };
  }
}
