// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { encodeAnswer, errorAnswer } from '../messages.ts';
import type { NotaryConfiguration, TokenStatus } from '../port.ts';
import type { WireError } from '../protocol.ts';
import type { AnswerCode, FromThread, ThreadAnswer, ThreadLine, ToThread } from './messages.ts';
import { Watchdog, type WatchdogLimits } from './watchdog.ts';

/** A request on its way through a thread. */
export interface Job {
  readonly id: number;
  readonly text: string;
  /** Whether somebody still waits for the answer. Asked once, before it is too late to spare the work. */
  readonly isWanted: () => boolean;
  /** It was not wanted any more; no answer follows. */
  readonly dropped: () => void;
  /**
   * Takes the answer. Where the thread hangs that is an error, and the thread's own answer may still come after it: then
   * it counts for the record alone.
   */
  readonly answer: (answer: ThreadAnswer) => void;
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

type Sent = { readonly job: Job } | { readonly change: Change };

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
  #waiting: Job[] = [];
  #status: TokenStatus = { ready: false, reason: 'Unavailable', message: 'the root of trust is being opened' };
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

  /** Answers at once where the thread hangs, else when it has been done. */
  request(job: Job): void {
    if (this.#watchdog.verdict !== 'Moving') {
      job.answer(refusal(job, this.#stuckError()));
      return;
    }
    this.#waiting.push(job);
    this.#pumpSoon();
  }

  /**
   * Has the thread open what the configuration names. Rejects with what it says against it; `stuck` is told where it
   * hangs, in which case the promise may still be settled later.
   */
  configure(
    configuration: NotaryConfiguration,
    mustOpen: boolean,
    stuck: (error: KeysteadError) => void = () => undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (failure: WireError | undefined): void => {
        if (failure) reject(new KeysteadError(failure.code, failure.message));
        else resolve();
      };
      this.#sent.push({ change: { done, stuck } });
      this.#options.line.postMessage({ kind: 'configure', configuration, mustOpen });
    });
  }

  /** Has the thread do what it has got, close what it holds, and end. Never resolves where it hangs. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.#options.line.postMessage({ kind: 'close' });
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
    const texts: string[] = [];
    let taken = 0;
    while (taken < this.#waiting.length && this.#sent.length < WINDOW) {
      const job = this.#waiting[taken++];
      if (!job) break;
      // Nobody waits any more: nothing is issued for the wastebasket.
      if (job.isWanted()) {
        this.#sent.push({ job });
        texts.push(job.text);
      } else {
        job.dropped();
      }
    }
    this.#waiting.splice(0, taken);
    if (texts.length > 0) this.#options.line.postMessage({ kind: 'requests', texts });
  }

  #receive(message: FromThread): void {
    const stuck = this.#watchdog.verdict !== 'Moving';
    this.#watchdog.progress();
    this.#up = true;
    if (stuck) this.#options.log.warn({ place: this.#options.place }, 'the token library came back');
    if (message.kind === 'answers') this.#answered(message.answers, message.failure);
    else if (message.kind === 'configured') this.#configured(message.failure);
    else if (message.kind === 'status') this.#status = message.status;
    else if (message.kind === 'opening') this.#options.opening(message.result);
    else if (message.kind === 'log') this.#options.write(message.lines);
    else this.#ended();
  }

  #answered(answers: readonly ThreadAnswer[], failure: WireError | undefined): void {
    for (const answer of answers) {
      const sent = this.#sent.shift();
      if (!sent || !('job' in sent)) throw new KeysteadError('Internal', 'the thread answered what it was not asked');
      sent.job.answer(failure ? { ...answer, ...refusal(sent.job, failure) } : answer);
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
    for (const job of waiting) job.answer(refusal(job, error));
    for (const sent of this.#sent) {
      if ('job' in sent) sent.job.answer(refusal(sent.job, error));
      else sent.change.stuck(error);
    }
  }

  #stuckError(): KeysteadError {
    const { place, limits } = this.#options;
    const found = `a call into ${place} has not returned for ${this.#watchdog.ticks} s`;
    const remedy = `the notary ends itself after ${limits.endAfter} s and starts anew; check the token and its service`;
    return new KeysteadError('TokenFailed', `${found}; ${remedy}`, { retryAfterMs: RETRY_AFTER_MS });
  }
}

function refusal({ id }: Job, error: WireError): Pick<ThreadAnswer, 'text' | 'code' | 'seconds'> {
  return { text: JSON.stringify(encodeAnswer(errorAnswer(id, error))), code: error.code, seconds: 0 };
}
