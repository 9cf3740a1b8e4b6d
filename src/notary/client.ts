// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { Fields } from './fields.ts';
import { isAskedForAndSigned, issuersIn, type KnownIssuer } from './leaf-check.ts';
import { Link } from './link.ts';
import { decodeIssued } from './messages.ts';
import type { CertificateRequest, IssuedCertificate, Notary, NotaryConfiguration, NotaryStatus } from './port.ts';
import { MAX_REQUEST_ID, type Request } from './protocol.ts';

export interface NotaryClientOptions {
  /** The notary's socket. */
  readonly path: string;
  /** How long a request waits for the notary to come up, milliseconds. */
  readonly patienceMs?: number;
  /** How long the notary may take over one request, milliseconds; slow tokens make RSA keys for half a minute. */
  readonly timeoutMs?: number;
}

const PATIENCE_MS = 2_000;
const TIMEOUT_MS = 60_000;
/** Waits between attempts to connect, milliseconds: doubled from the first to the last. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 500;

type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never;

/**
 * The notary over its socket. Connects when first needed and again after every loss. A request in flight when the
 * notary dies fails with Unavailable; whether to ask again is the caller's decision, only it knows if it still wants to.
 */
export class NotaryClient implements Notary {
  readonly #path: string;
  readonly #patienceMs: number;
  readonly #timeoutMs: number;
  #link: Promise<Link> | undefined;
  #lastId = 0;
  #issuers: readonly KnownIssuer[] = [];
  #closed = false;

  constructor(options: NotaryClientOptions) {
    this.#path = options.path;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  async configure(configuration: NotaryConfiguration): Promise<NotaryStatus> {
    return this.#noted(await this.#ask({ operation: 'configure', body: configuration }));
  }

  async status(): Promise<NotaryStatus> {
    return this.#noted(await this.#ask({ operation: 'status', body: {} }));
  }

  /** As the port says; also Internal where the notary gave another certificate than the one asked for. */
  async issue(request: CertificateRequest): Promise<IssuedCertificate> {
    const issued = decodeIssued(await this.#ask({ operation: 'issue', body: request }));
    if (isAskedForAndSigned(request, issued, this.#issuers)) return issued;
    // The CA may have rolled over since it was last looked at.
    await this.status();
    if (isAskedForAndSigned(request, issued, this.#issuers)) return issued;
    throw new KeysteadError('Internal', "the notary's certificate is not signed by its issuer; it is dropped");
  }

  async metrics(): Promise<string> {
    const result = await this.#ask({ operation: 'metrics', body: {} });
    return new Fields(result, 'metrics').string('text', Number.MAX_SAFE_INTEGER);
  }

  close(): void {
    this.#closed = true;
    void this.#link?.then(
      (link) => link.close(),
      () => undefined,
    );
  }

  async #ask(request: WithoutId<Request>): Promise<unknown> {
    const link = await this.#connected();
    this.#lastId = this.#lastId < MAX_REQUEST_ID ? this.#lastId + 1 : 1;
    return link.request({ ...request, id: this.#lastId }, this.#timeoutMs);
  }

  /** The open connection, shared by all; where there is none the first asker makes it and the others wait with it. */
  async #connected(): Promise<Link> {
    if (this.#closed) throw new KeysteadError('Unavailable', 'the notary client is closed');
    const current = (this.#link ??= this.#connect());
    const link = await current.catch((thrown: unknown) => asKeysteadError(thrown));
    if (link instanceof Link && link.isOpen) return link;
    if (this.#link === current) this.#link = undefined;
    if (link instanceof Link) return this.#connected();
    throw link;
  }

  async #connect(): Promise<Link> {
    const deadline = performance.now() + this.#patienceMs;
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      try {
        return await Link.open(this.#path);
      } catch (thrown) {
        if (this.#closed || performance.now() + wait > deadline) throw asKeysteadError(thrown);
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** The notary is of the same release and the more trusted side, so its status is looked at no closer than this. */
  #noted(result: unknown): NotaryStatus {
    new Fields(result, 'status').boolean('ready');
    const status = result as NotaryStatus;
    if (status.issuer) this.#issuers = issuersIn(status.issuer.anchors);
    return status;
  }
}
