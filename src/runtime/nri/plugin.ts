// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  ContainerState,
  EmptySchema,
  Event,
  PostStartContainerRequestSchema,
  RemoveContainerRequestSchema,
  Runtime,
  StartContainerRequestSchema,
  StateChangeEventSchema,
  StopContainerRequestSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  type Container,
  type PodSandbox,
} from '../../gen/nri/api_pb.js';
import { decodeMessage } from '../../grpc/message.ts';
import type { ContainerEvent } from '../port.ts';
import { StartRefused } from '../start-refused.ts';
import type { StartSink } from '../start-source.ts';
import { hold, holdLimit, type HoldResult } from './hold.ts';
import { NriLink } from './link.ts';

export interface NriPluginOptions {
  /** Name and two-digit index under which the runtime knows us; lower indexes are asked first. */
  readonly name: string;
  readonly index: string;
  /** Longest hold of a container's start in milliseconds; the runtime's own limit may shorten it. */
  readonly holdMilliseconds: number;
  /** Told of every held start, for metrics. */
  readonly onHeld?: (containerId: string, result: HoldResult) => void;
  /** Told of what went wrong without harm to the runtime, for the log. */
  readonly onProblem?: (message: string, cause?: unknown) => void;
}

/** What the runtime grants a request where it does not say (NRI DefaultPluginRequestTimeout). */
const DEFAULT_REQUEST_TIMEOUT_MS = 2000;
const REGISTER_TIMEOUT_MS = 5000;

const SUBSCRIBED = [Event.START_CONTAINER, Event.POST_START_CONTAINER, Event.STOP_CONTAINER, Event.REMOVE_CONTAINER];
/** Bit n-1 stands for event n. */
const EVENT_MASK = SUBSCRIBED.reduce((mask, event) => mask | (1 << (event - 1)), 0);

/** The answer to calls whose answers have no fields that we would set. */
const NOTHING = toBinary(EmptySchema, create(EmptySchema));

interface Happening {
  readonly pod?: PodSandbox;
  readonly container?: Container;
}

/**
 * One registration with the runtime's NRI, from RegisterPlugin to the end of the connection. To fail StartContainer
 * keeps a container from starting, so it is answered well whatever happens here, unless somebody refuses the start on purpose.
 */
export class NriPlugin {
  readonly #options: NriPluginOptions;
  readonly #sink: StartSink;
  readonly #link: NriLink;
  #holdLimit: number;
  #synchronized = false;
  /** Pods by sandbox id, from the parts of the synchronization so far. */
  readonly #pods = new Map<string, PodSandbox>();

  constructor(socket: Duplex, sink: StartSink, options: NriPluginOptions) {
    this.#options = options;
    this.#sink = sink;
    this.#holdLimit = holdLimit(options.holdMilliseconds, DEFAULT_REQUEST_TIMEOUT_MS);
    this.#link = new NriLink(socket, (method, payload) => this.#serve(method, payload));
  }

  /** Whether the runtime has told us all containers and will hold starts for us. */
  get synchronized(): boolean {
    return this.#synchronized;
  }

  /** Registers and serves. Resolves when the connection is over, with the reason if one is known; never rejects. */
  async run(): Promise<Error | undefined> {
    const { name, index } = this.#options;
    try {
      const registration = { pluginName: name, pluginIdx: index };
      await this.#link.call(Runtime.method.registerPlugin, registration, REGISTER_TIMEOUT_MS);
    } catch (thrown) {
      this.#link.close(thrown instanceof Error ? thrown : undefined);
    }
    const reason = await this.#link.closed;
    this.#synchronized = false;
    return reason;
  }

  close(): void {
    this.#link.close();
  }

  #serve(method: string, payload: Uint8Array): Promise<Uint8Array> | undefined {
    switch (method) {
      case 'Configure':
        return Promise.resolve(this.#configure(payload));
      case 'Synchronize':
        return Promise.resolve(this.#synchronize(payload));
      case 'StartContainer':
        return this.#happened(Event.START_CONTAINER, StartContainerRequestSchema, payload);
      case 'PostStartContainer':
        return this.#happened(Event.POST_START_CONTAINER, PostStartContainerRequestSchema, payload);
      case 'StopContainer':
        return this.#happened(Event.STOP_CONTAINER, StopContainerRequestSchema, payload);
      case 'RemoveContainer':
        return this.#happened(Event.REMOVE_CONTAINER, RemoveContainerRequestSchema, payload);
      case 'StateChange':
        // Runtimes of before NRI 0.12 tell of starts and removals this way.
        return this.#happened(undefined, StateChangeEventSchema, payload);
      case 'Shutdown':
        return Promise.resolve(NOTHING);
      default:
        return undefined;
    }
  }

  #configure(payload: Uint8Array): Uint8Array {
    const { requestTimeout } = decodeMessage(ConfigureRequestSchema, payload);
    const told = Number(requestTimeout);
    this.#holdLimit = holdLimit(this.#options.holdMilliseconds, told > 0 ? told : DEFAULT_REQUEST_TIMEOUT_MS);
    return encode(ConfigureResponseSchema, { events: EVENT_MASK });
  }

  /** Comes in parts on a node with many containers; each part must be answered with its own `more`. */
  #synchronize(payload: Uint8Array): Uint8Array {
    const request = decodeMessage(SynchronizeRequestSchema, payload);
    for (const pod of request.pods) this.#pods.set(pod.id, pod);
    for (const container of request.containers) {
      if (container.state !== ContainerState.CONTAINER_RUNNING) continue;
      this.#tellAside('Started', { container, ...optional('pod', this.#pods.get(container.podSandboxId)) });
    }
    if (!request.more) {
      this.#pods.clear();
      this.#synchronized = true;
      this.#sink.connected();
    }
    return encode(SynchronizeResponseSchema, { more: request.more });
  }

  async #happened(event: Event | undefined, schema: DescMessage, payload: Uint8Array): Promise<Uint8Array> {
    try {
      const message = decodeMessage(schema, payload) as Happening & {
        readonly event?: Event;
      };
      await this.#deal(event ?? message.event, message);
    } catch (thrown) {
      if (thrown instanceof StartRefused) throw thrown;
      this.#options.onProblem?.('an NRI event could not be read; the container starts without us', thrown);
    }
    return NOTHING;
  }

  async #deal(event: Event | undefined, happening: Happening): Promise<void> {
    switch (event) {
      case Event.START_CONTAINER:
        return this.#held(happening);
      case Event.POST_START_CONTAINER:
        this.#tellAside('Started', happening);
        return;
      case Event.STOP_CONTAINER:
      case Event.REMOVE_CONTAINER:
        this.#tellAside('Exited', happening);
        return;
      default:
        return;
    }
  }

  async #held(happening: Happening): Promise<void> {
    const result = await hold(() => this.#tell('Starting', happening), this.#holdLimit);
    const id = happening.container?.id ?? '';
    this.#options.onHeld?.(id, result);
    if (result.thrown instanceof StartRefused) throw result.thrown;
    if (result.release !== 'TimedOut') return;
    const limit = Math.round(this.#holdLimit);
    this.#options.onProblem?.(`container ${id} starts unprepared: preparing it took longer than ${limit} ms`);
  }

  #tellAside(phase: ContainerEvent['phase'], happening: Happening): void {
    this.#tell(phase, happening).catch(() => undefined);
  }

  async #tell(phase: ContainerEvent['phase'], { pod, container }: Happening): Promise<void> {
    if (container === undefined || container.id === '') return;
    const podUid = pod?.uid;
    const pid = phase === 'Exited' || container.pid === 0 ? undefined : container.pid;
    await this.#sink.event({
      phase,
      containerId: container.id,
      ...(podUid !== undefined && podUid !== '' && { podUid }),
      ...optional('pid', pid),
      ...(phase !== 'Exited' && { containerName: container.name, ...optional('pod', pod && madeOf(pod)) }),
      ...(phase === 'Starting' && { holdMilliseconds: this.#holdLimit }),
    });
  }
}

function madeOf({ namespace, name, annotations }: PodSandbox): NonNullable<ContainerEvent['pod']> {
  return { namespace, name, annotations };
}

function encode<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Uint8Array {
  return toBinary(schema, create(schema, message));
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}
