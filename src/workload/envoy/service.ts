// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { asKeysteadError } from '../../errors.ts';
import { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { DiscoveryRequest, DiscoveryResponseSchema } from '../../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { SecretDiscoveryService } from '../../gen/envoy/service/secret/v3/sds_pb.js';
import type { CallContext, Implementation } from '../../grpc/server.ts';
import { NotOffered } from '../../grpc/status.ts';
import type { Logger } from '../../log.ts';
import type { X509Content } from '../spiffe/x509-messages.ts';
import { Latest } from './latest.ts';
import { hasSpiffeValidator, secrets } from './secrets.ts';

type Response = MessageInitShape<typeof DiscoveryResponseSchema>;

export interface SecretServiceParts {
  /** The caller's identities as they are now and after each change; the same rules as for the Workload API. */
  follow(context: CallContext): AsyncIterable<X509Content>;
  readonly log: Logger;
}

/**
 * Envoy's secret discovery service (SDS v3, state of the world): what the Workload API would give the same caller. Envoy
 * sends no security header, so none is asked for.
 */
export class SecretService {
  readonly #parts: SecretServiceParts;

  constructor(parts: SecretServiceParts) {
    this.#parts = parts;
  }

  handlers(): Implementation<typeof SecretDiscoveryService> {
    return {
      streamSecrets: (requests, context) => this.#stream(requests, context),
      fetchSecrets: (request, context) => this.#once(request, context),
      deltaSecrets: refusingStream,
    };
  }

  async #once(request: DiscoveryRequest, context: CallContext): Promise<Response> {
    for await (const content of this.#parts.follow(context)) return respond(request, content, '1');
    return {};
  }

  /** Answers the first request and each that asks for other names, and again whenever the secrets asked for change. */
  async *#stream(requests: AsyncIterable<DiscoveryRequest>, context: CallContext): AsyncGenerator<Response, void> {
    const latest = new Latest<Partial<Heard>>({});
    const ending = new AbortController();
    const signal = AbortSignal.any([context.signal, ending.signal]);
    void this.#listen(requests, latest).finally(() => ending.abort());
    void this.#follow({ ...context, signal }, latest);
    let [sent, nonce] = ['', 0];
    for await (const { request, content, failure } of latest.values(signal)) {
      if (failure !== undefined) throw asKeysteadError(failure);
      if (request === undefined || content === undefined) continue;
      const response = respond(request, content, String(nonce + 1));
      const subject = JSON.stringify([request.resourceNames, response.versionInfo]);
      if (subject === sent) continue;
      sent = subject;
      nonce++;
      yield response;
    }
  }

  async #listen(requests: AsyncIterable<DiscoveryRequest>, latest: Latest<Partial<Heard>>): Promise<void> {
    let node: DiscoveryRequest['node'];
    try {
      for await (const request of requests) {
        // Envoy says who it is in its first request only.
        node ??= request.node;
        if (request.errorDetail) this.#refused(request);
        latest.set((before) => ({ ...before, request: { ...request, node } }));
      }
    } catch {
      // The caller has gone: the stream ends by its signal.
    }
  }

  async #follow(context: CallContext, latest: Latest<Partial<Heard>>): Promise<void> {
    try {
      for await (const content of this.#parts.follow(context)) latest.set((before) => ({ ...before, content }));
    } catch (failure) {
      latest.set((before) => ({ ...before, failure }));
    }
  }

  #refused({ resourceNames, errorDetail }: DiscoveryRequest): void {
    this.#parts.log.warn({ secrets: resourceNames, err: errorDetail?.message }, 'an Envoy refuses what it was given');
  }
}

interface Heard {
  readonly request: Pick<DiscoveryRequest, 'resourceNames' | 'node'>;
  readonly content: X509Content;
  readonly failure: unknown;
}

function respond({ resourceNames, node }: Heard['request'], content: X509Content, nonce: string): Response {
  const resources = secrets({ names: resourceNames, spiffeValidator: hasSpiffeValidator(node) }, content);
  const hash = createHash('sha256');
  for (const { value } of resources) hash.update(value);
  const typeUrl = `type.googleapis.com/${SecretSchema.typeName}`;
  return { versionInfo: hash.digest('hex').slice(0, 16), resources, typeUrl, nonce };
}

/** An async generator by hand: it has nothing to yield. */
function refusingStream(): AsyncIterable<never> {
  const refused = new NotOffered('The delta protocol is not offered: set api_type GRPC in the SDS configuration.');
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refused) }) };
}
