// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { putDraft, type Draft, type DraftValues } from '../drafts/draft.ts';
import { receivedTerms, type DraftingTerms } from '../drafts/terms.ts';
import { encodeAnswer, errorAnswer } from '../messages.ts';
import type { TokenStatus } from '../port.ts';
import type { WireError } from '../protocol.ts';
import type {
  AnswerCode,
  ConfigurationChange,
  FromThread,
  SignedDraft,
  ThreadAnswer,
  ThreadLine,
  ToThread,
} from './messages.ts';
import { Watchdog, type WatchdogLimits } from './watchdog.ts';

interface Waiting {
  /** Whether somebody still waits for the answer. Asked once, before it is too late to spare the work. */
  readonly isWanted: () => boolean;
  /** It was not wanted any more; no answer follows. */
  readonly dropped: () => void;
}

/** A request on its way through a thread. */
export interface Job extends Waiting {
  readonly id: number;
  readonly text: string;
  /**
   * Takes the answer. Where the thread hangs that is an error, and the thread's own answer may still come after it: then
   * it counts for the record alone.
   */
  readonly answer: (answer: ThreadAnswer) => void;
}

/** A leaf to be signed on its way through a thread. */
export interface DraftJob extends Waiting {
  readonly draft: Draft;
  /**
   * Takes the signature, an octet each character, once and perhaps after `declined`: then, and where there is a failure,
   * for the record alone.
   */
  readonly signed: (signature: string, seconds: number, failure?: WireError) => void;
  /** The request has to be made as a whole. */
  readonly declined: () => void;
}

export interface TokenThreadOptions {
  readonly line: ThreadLine<FromThread, ToThread>;
  /** What runs in it, for messages: the library for example. */
  readonly place: string;
  /** In seconds. */
  readonly limits: WatchdogLimits;
  readonly log: Logger;
  readonly opening: (result: AnswerCode) => void;
  /** Takes log lines of the thread. */
  readonly write: (lines: string) => void;
  /** The thread has hung for too long to be waited for. */
  readonly lost: (error: KeysteadError) => void;
}

/** A configuration on its way through a thread. */
interface Change {
  readonly done: (failure: WireError | undefined) => void;
  readonly stuck: (error: KeysteadError) => void;
}

type Work = { readonly job: Job } | { readonly leaf: DraftJob };
type Sent = Work | { readonly change: Change };

/** So many requests lie with the thread; the others wait here, where those can be dropped that nobody waits for. */
const WINDOW = 64;
const TICK_MS = 1_000;
const RETRY_AFTER_MS = 1_000;

/**
 * The main thread's side of the thread that holds a root of trust. Token calls are synchronous and foreign: they may
 * take long, or never come back. This side answers in any case.
 */
export class TokenThread {
  readonly #options: TokenThreadOptions;
  readonly #watchdog: Watchdog;
  readonly #ticking: NodeJS.Timeout;
  readonly #sent: Sent[] = [];
  #waiting: Work[] = [];
  #status: TokenStatus = { ready: false, reason: 'Unavailable', message: 'the root of trust is being opened' };
  #terms: DraftingTerms | undefined;
  #pumpScheduled = false;
  /** Whether the thread has said anything yet: before that it is Node.js that takes its time. */
  #up = false;
  #closed: (() => void) | undefined;

  constructor(options: TokenThreadOptions) {
    this.#options = options;
    this.#watchdog = new Watchdog(options.limits);
    this.#ticking = setInterval(() => this.#tick(), TICK_MS).unref();
    options.line.on('message', (message) => this.#receive(message));
  }

  /** As the thread last told it, or that it hangs. */
  get status(): TokenStatus {
    if (this.#watchdog.verdict === 'Moving') return this.#status;
    const { code, message } = this.#stuckError();
    return { ...this.#status, ready: false, reason: code, message };
  }

  /** Under which leaves may be drafted for it; undefined where it can sign none now. */
  get terms(): DraftingTerms | undefined {
    return this.#watchdog.verdict === 'Moving' ? this.#terms : undefined;
  }

  /** Has a leaf signed. */
  sign(leaf: DraftJob): void {
    if (this.#closed) {
      leaf.declined();
      return;
    }
    this.#waiting.push({ leaf });
    this.#pumpSoon();
  }

  /** Answers at once where the thread hangs or closes, else when it has been done. */
  request(job: Job): void {
    if (this.#closed) {
      job.answer(refusal(job, this.#closedError()));
      return;
    }
    if (this.#watchdog.verdict !== 'Moving') {
      job.answer(refusal(job, this.#stuckError()));
      return;
    }
    this.#waiting.push({ job });
    this.#pumpSoon();
  }

  /**
   * Has the thread open what the configuration names. Rejects with what it says against it; `stuck` is told where it
   * hangs, in which case the promise may still be settled later.
   */
  configure(change: ConfigurationChange, stuck: (error: KeysteadError) => void = () => undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (failure: WireError | undefined): void => {
        if (failure) reject(new KeysteadError(failure.code, failure.message));
        else resolve();
      };
      this.#sent.push({ change: { done, stuck } });
      this.#options.line.postMessage({ kind: 'configure', ...change });
    });
  }

  /**
   * Has the thread do what it has got, close what it holds, and end; what it has not got is refused, to be asked again of
   * the next one. Never resolves where it hangs.
   */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.#options.line.postMessage({ kind: 'close' });
      for (const work of this.#waiting.splice(0)) {
        if ('job' in work) work.job.answer(refusal(work.job, this.#closedError()));
        else work.leaf.declined();
      }
    });
  }

  /** Requests that come in one turn leave in one message. */
  #pumpSoon(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => this.#pump());
  }

  #pump(): void {
    this.#pumpScheduled = false;
    const batch = new Batch(this.#options.line);
    let taken = 0;
    while (taken < this.#waiting.length && this.#sent.length < WINDOW) {
      const work = this.#waiting[taken++];
      if (!work) break;
      const waiting = 'job' in work ? work.job : work.leaf;
      // Nobody waits any more: nothing is issued for the wastebasket.
      if (waiting.isWanted()) {
        this.#sent.push(work);
        batch.add(work);
      } else {
        waiting.dropped();
      }
    }
    this.#waiting.splice(0, taken);
    batch.send();
  }

  #receive(message: FromThread): void {
    const stuck = this.#watchdog.verdict !== 'Moving';
    this.#watchdog.progress();
    this.#up = true;
    if (stuck) this.#options.log.warn({ place: this.#options.place }, 'the token library came back');
    if (message.kind === 'answers') this.#answered(message.answers, message.failure);
    else if (message.kind === 'configured') this.#configured(message.failure);
    else if (message.kind === 'status') this.#statusCame(message);
    else if (message.kind === 'opening') this.#options.opening(message.result);
    else if (message.kind === 'log') this.#options.write(message.lines);
    else this.#ended();
  }

  #statusCame({ status, terms }: { readonly status: TokenStatus; readonly terms?: DraftingTerms }): void {
    this.#status = status;
    this.#terms = terms && receivedTerms(terms);
  }

  #answered(answers: readonly (ThreadAnswer | SignedDraft)[], failure: WireError | undefined): void {
    for (const answer of answers) {
      const sent = this.#sent.shift();
      if (sent && 'job' in sent && 'text' in answer) {
        sent.job.answer(failure ? { ...answer, ...refusal(sent.job, failure) } : answer);
      } else if (sent && 'leaf' in sent && !('text' in answer)) {
        const { signature, seconds } = answer;
        if (signature === undefined) sent.leaf.declined();
        else sent.leaf.signed(signature, seconds, failure);
      } else {
        throw new KeysteadError('Internal', 'the thread answered what it was not asked');
      }
    }
    this.#pump();
  }

  #configured(failure: WireError | undefined): void {
    const sent = this.#sent.shift();
    if (sent && 'change' in sent) sent.change.done(failure);
  }

  #ended(): void {
    clearInterval(this.#ticking);
    this.#closed?.();
  }

  #tick(): void {
    const before = this.#watchdog.verdict;
    const verdict = this.#watchdog.tick(this.#up && (this.#sent.length > 0 || this.#closed !== undefined));
    if (verdict === 'Moving') return;
    const error = this.#stuckError();
    if (before === 'Moving') {
      this.#options.log.error({ place: this.#options.place, code: error.code }, 'the token library hangs');
      this.#tellAll(error);
    }
    if (verdict === 'Lost') this.#options.lost(error);
  }

  /** Answers all who wait. What the thread still does comes to be recorded when it comes back, and goes to nobody. */
  #tellAll(error: KeysteadError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of [...waiting, ...this.#sent]) {
      if ('job' in work) work.job.answer(refusal(work.job, error));
      else if ('leaf' in work) work.leaf.declined();
      else work.change.stuck(error);
    }
  }

  #closedError(): KeysteadError {
    const message = `${this.#options.place} is just being closed; ask again in ${RETRY_AFTER_MS} ms`;
    return new KeysteadError('Unavailable', message, { retryAfterMs: RETRY_AFTER_MS });
  }

  #stuckError(): KeysteadError {
    const { place, limits } = this.#options;
    const found = `a call into ${place} has not returned for ${this.#watchdog.ticks} s`;
    const remedy = `the notary ends itself after ${limits.endAfter} s and starts anew; check the token and its service`;
    return new KeysteadError('TokenFailed', `${found}; ${remedy}`, { retryAfterMs: RETRY_AFTER_MS });
  }
}

/** What leaves in one turn: a message for each run of one kind, in the order in which it came. */
class Batch {
  readonly #line: TokenThreadOptions['line'];
  #texts: string[] = [];
  #values: DraftValues = [];

  constructor(line: TokenThreadOptions['line']) {
    this.#line = line;
  }

  add(work: Work): void {
    if ('job' in work) {
      if (this.#values.length > 0) this.send();
      this.#texts.push(work.job.text);
    } else {
      if (this.#texts.length > 0) this.send();
      putDraft(this.#values, work.leaf.draft);
    }
  }

  send(): void {
    if (this.#texts.length > 0) this.#line.postMessage({ kind: 'requests', texts: this.#texts });
    if (this.#values.length > 0) this.#line.postMessage({ kind: 'drafts', values: this.#values });
    this.#texts = [];
    this.#values = [];
  }
}

function refusal({ id }: Job, error: WireError): Pick<ThreadAnswer, 'text' | 'code' | 'seconds'> {
  return { text: JSON.stringify(encodeAnswer(errorAnswer(id, error))), code: error.code, seconds: 0 };
}
