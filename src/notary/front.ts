// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Asker } from './connection.ts';
import type { AuditTrail } from './audit.ts';
import type { Drafted, Drafting } from './drafts/drafting.ts';
import type { FrontConfiguration } from './front-configuration.ts';
import { encodeAnswer, errorAnswer, MalformedRequest, openEnvelope, type Envelope } from './messages.ts';
import type { NotaryMetrics } from './metrics.ts';
import { MODULE_OPERATIONS, operationNamed } from './operations/index.ts';
import type { NotaryConfiguration, NotaryStatus, TokenStatus } from './port.ts';
import type { WireError } from './protocol.ts';
import { Shares } from './shares.ts';
import type { ThreadAnswer } from './threads/messages.ts';
import type { TokenThread } from './threads/thread.ts';

export interface NotaryFrontOptions {
  readonly configuration: FrontConfiguration;
  readonly audit: AuditTrail;
  readonly drafting: Drafting;
  readonly metrics: NotaryMetrics;
  /** Of this program. */
  readonly version: string;
  /** Measure of its files. */
  readonly programSha256?: string;
  /** Ends this process's work, after the answers that are due. */
  readonly handOver: () => void;
}

/** Of the requests that a connection may have in flight. */
const MOST_PER_POD = 128;
const UNCONFIGURED: TokenStatus = {
  ready: false,
  reason: 'Unavailable',
  message: 'waiting for the agent to send the configuration of the EdgeDevice',
};

/**
 * The notary's main thread behind its socket: answers what needs no token by itself, whatever the tokens do, passes the
 * rest on to the thread of its token, and records the use of a key before its answer leaves.
 */
export class NotaryFront {
  readonly #options: NotaryFrontOptions;
  readonly #shares = new Shares(MOST_PER_POD);

  constructor(options: NotaryFrontOptions) {
    this.#options = options;
  }

  /** Sees to it that a request is answered. */
  handle(request: Envelope, asker: Asker): void {
    if (request.operation === 'status') this.#answerNow(request, asker, () => this.status());
    else if (request.operation === 'metrics') this.#answerNow(request, asker, () => this.metrics());
    else if (request.operation === 'handOver') this.#answerNow(request, asker, this.#options.handOver);
    else if (request.operation === 'configure') this.#configure(request, asker);
    else this.#passOn(request, asker);
  }

  status(): NotaryStatus {
    const { audit, configuration, version, programSha256 } = this.#options;
    const token = configuration.threads.status ?? UNCONFIGURED;
    const { failure, ...recorded } = audit.state();
    const program = programSha256 === undefined ? {} : { programSha256 };
    const base = { protocol: 1, version, ...program, ...token, audit: recorded } as const;
    return failure && token.ready ? { ...base, ready: false, reason: failure.code, message: failure.message } : base;
  }

  /** Prometheus text. */
  metrics(): string {
    const { metrics } = this.#options;
    const { ready, reason = '', issuer, audit } = this.status();
    metrics.ready.reset();
    metrics.ready.set(ready ? 1 : 0, { reason });
    if (audit) metrics.auditRecords.set(audit.records);
    if (issuer) metrics.issuerNotAfter.set(issuer.notAfter / 1000);
    return metrics.text();
  }

  #answerNow(request: Envelope, asker: Asker, give: () => unknown): void {
    try {
      this.#succeed(request, asker, give());
    } catch (thrown) {
      this.#refuse(request, asker, asKeysteadError(thrown));
    }
  }

  #configure(request: Envelope, asker: Asker): void {
    try {
      const wanted = openEnvelope(request).body as NotaryConfiguration;
      const refuse = (thrown: unknown): void => this.#refuse(request, asker, asKeysteadError(thrown));
      this.#options.configuration.change(wanted, refuse).then(() => {
        this.#succeed(request, asker, this.status());
      }, refuse);
    } catch (thrown) {
      this.#refuse(request, asker, errorOf(thrown));
    }
  }

  #passOn(request: Envelope, asker: Asker): void {
    const { audit, configuration, drafting } = this.#options;
    const pod = podOf(request);
    const { device, modules } = configuration.threads;
    const thread = isForModules(request) ? modules : device;
    try {
      // Before the key is used, not after: what cannot be recorded is not signed.
      audit.admit();
      if (!thread) throw unconfigured(request);
      this.#shares.take(pod);
    } catch (thrown) {
      this.#refuse(request, asker, errorOf(thrown));
      return;
    }
    let held = true;
    const giveBack = (): void => {
      if (held) this.#shares.giveBack(pod);
      held = false;
    };
    const drafted = drafting.draft(request, thread.terms);
    if (drafted) this.#sign(thread, { request, asker, giveBack }, drafted);
    else this.#ask(thread, { request, asker, giveBack });
  }

  #ask(thread: TokenThread, { request, asker, giveBack }: Pass): void {
    thread.request({
      id: request.id,
      text: request.text,
      isWanted: asker.isThere,
      dropped: giveBack,
      answer: (answer) => {
        giveBack();
        this.#recordAndAnswer(request, asker, answer);
      },
    });
  }

  #sign(thread: TokenThread, pass: Pass, drafted: Drafted): void {
    const { request, asker, giveBack } = pass;
    thread.sign({
      draft: drafted.draft,
      isWanted: asker.isThere,
      dropped: giveBack,
      declined: () => this.#ask(thread, pass),
      signed: (signature, seconds, failure) => {
        giveBack();
        const answer = this.#options.drafting.complete(drafted, Buffer.from(signature, 'latin1'));
        this.#recordAndAnswer(request, asker, { ...answer, seconds }, failure);
      },
    });
  }

  /** `failure`: why the answer must not leave though the key was used. */
  #recordAndAnswer(request: Envelope, asker: Asker, answer: ThreadAnswer, failure?: WireError): void {
    const { audit, metrics } = this.#options;
    try {
      if (answer.use !== undefined) audit.append(answer.use);
      if (failure) throw new KeysteadError(failure.code, failure.message);
    } catch (thrown) {
      this.#refuse(request, asker, asKeysteadError(thrown));
      return;
    }
    const { operation } = request;
    metrics.requests.inc({ operation, result: answer.code });
    if (answer.code === 'Ok' && operation.startsWith('issue')) metrics.issueSeconds.observe(answer.seconds);
    asker.answer(answer.text);
  }

  #succeed({ id, operation }: Envelope, asker: Asker, result: unknown): void {
    this.#options.metrics.requests.inc({ operation, result: 'Ok' });
    const encoded = operationNamed(operation).encodeResult(result);
    asker.answer(JSON.stringify(encodeAnswer({ id, result: encoded })));
  }

  #refuse({ id, operation }: Envelope, asker: Asker, error: KeysteadError): void {
    this.#options.metrics.requests.inc({ operation, result: error.code });
    asker.answer(JSON.stringify(encodeAnswer(errorAnswer(id, error))));
  }
}

/** A request on its way. */
interface Pass {
  readonly request: Envelope;
  readonly asker: Asker;
  /** Gives the pod its share back; does nothing the second time. */
  readonly giveBack: () => void;
}

/** What is malformed stays so when there is a configuration. */
function unconfigured(request: Envelope): KeysteadError {
  openEnvelope(request);
  return new KeysteadError('Unavailable', 'the notary is not configured yet; the agent does that');
}

function errorOf(thrown: unknown): KeysteadError {
  return asKeysteadError(thrown instanceof MalformedRequest ? thrown.cause : thrown);
}

/** What a request says of who is behind it; whether it says so rightly is looked at where it is read. */
function requesterIn({ fields }: Envelope): { readonly pod?: unknown } | undefined {
  const body = fields.raw('body') as { readonly requester?: { readonly pod?: unknown } } | null | undefined;
  return body?.requester;
}

function podOf(request: Envelope): string {
  const pod = requesterIn(request)?.pod;
  return typeof pod === 'string' ? pod : '';
}

/** Whether it is about keys of modules. Evidence is asked of both kinds: a requester asks for that of its own key. */
function isForModules(request: Envelope): boolean {
  const { operation } = request;
  if (operation === 'keyEvidence') return requesterIn(request) !== undefined;
  return (MODULE_OPERATIONS as readonly string[]).includes(operation);
}
