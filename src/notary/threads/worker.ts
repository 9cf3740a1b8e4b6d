// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../../errors.ts';
import { DRAFT_VALUES, draftAt, type Draft } from '../drafts/draft.ts';
import type { NotaryConfiguration } from '../port.ts';
import type { WireError } from '../protocol.ts';
import type { NotaryService } from '../service.ts';
import { Turns } from '../turns.ts';
import type { FromThread, SignedDraft, ThreadAnswer, ThreadLine, ToThread } from './messages.ts';
import { perform, type HeldBackUse } from './performer.ts';

export interface TokenWorkerOptions {
  readonly line: ThreadLine<ToThread, FromThread>;
  readonly service: NotaryService;
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
      this.#turns.add(() => this.#configure(message.configuration, message.mustOpen));
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

  #configure(configuration: NotaryConfiguration, mustOpen: boolean): void {
    // What was done before it must not wait for a token that is slow to open.
    this.#send();
    const { line, service } = this.#options;
    const failure = failureOf(() => service.configure(configuration, mustOpen));
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
