// SPDX-License-Identifier: Apache-2.0
import {
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskStartSchema,
} from '../gen/containerd/events/task_pb.js';
import { Events } from '../gen/containerd/services/events/v1/events_pb.js';
import type { Envelope } from '../gen/containerd/types/event_pb.js';
import { GrpcClient } from '../grpc/client.ts';
import { decodeMessage } from '../grpc/message.ts';
import { repeat } from './back-off.ts';
import type { ContainerEvent } from './port.ts';
import type { StartSink, StartSource } from './start-source.ts';

const TOPICS = ['/tasks/start', '/tasks/exit', '/tasks/exec-started', '/tasks/oom'] as const;
const BACK_OFF = { first: 20, max: 1000 };
const READY_TIMEOUT_MS = 2000;
/** A runtime without the service says so at once; one that has not within this time has taken the subscription. */
const REFUSAL_MS = 50;

/**
 * Container starts and exits by containerd's own events service, within milliseconds after the fact. Tells of sandboxes
 * too, which are tasks like others. Other runtimes do not have the service: then it stays unconnected.
 */
export class TaskEventSource implements StartSource {
  readonly #socket: string;
  readonly #namespace: string;
  readonly #onProblem: ((message: string, cause?: unknown) => void) | undefined;
  #connected = false;

  /** `namespace` is containerd's; Kubernetes' is `k8s.io`. */
  constructor(
    socket: string,
    options: { readonly namespace?: string; readonly onProblem?: (message: string, cause?: unknown) => void } = {},
  ) {
    this.#socket = socket;
    this.#namespace = options.namespace ?? 'k8s.io';
    this.#onProblem = options.onProblem;
  }

  get connected(): boolean {
    return this.#connected;
  }

  async run(sink: StartSink, signal: AbortSignal): Promise<void> {
    await repeat(() => this.#once(sink, signal), BACK_OFF, signal);
  }

  /** One subscription; returns for how many milliseconds it was good. A client of its own each time: no old back-off. */
  async #once(sink: StartSink, signal: AbortSignal): Promise<number> {
    const client = new GrpcClient(this.#socket);
    const close = (): void => client.close();
    signal.addEventListener('abort', close, { once: true });
    let since: number | undefined;
    const connected = (): void => {
      since = performance.now();
      this.#connected = true;
      sink.connected();
    };
    // containerd sends its headers with the first event only, so the subscription is known by nobody refusing it.
    let unrefused: NodeJS.Timeout | undefined;
    const filters = TOPICS.map((topic) => `namespace=="${this.#namespace}",topic=="${topic}"`);
    try {
      await client.ready(READY_TIMEOUT_MS);
      unrefused = setTimeout(connected, REFUSAL_MS);
      for await (const envelope of client.serverStream(Events.method.subscribe, { filters }, { signal })) {
        const event = toContainerEvent(envelope);
        if (event) sink.event(event).catch(() => undefined);
      }
    } catch (thrown) {
      if (since !== undefined && !signal.aborted)
        this.#onProblem?.("containerd's event stream ended; subscribing again", thrown);
    } finally {
      clearTimeout(unrefused);
      this.#connected = false;
      signal.removeEventListener('abort', close);
      client.close();
    }
    return since === undefined ? 0 : performance.now() - since;
  }
}

/** Reads what happened to a container; undefined for the exit of a process that is not its first. */
export function toContainerEvent(envelope: Envelope): ContainerEvent | undefined {
  const bytes = envelope.event?.value;
  if (bytes === undefined) return undefined;
  try {
    const event = read(envelope.topic, bytes);
    return event?.containerId === '' ? undefined : event;
  } catch {
    // An event that cannot be read is an event that did not come: the next synchronization makes up for it.
    return undefined;
  }
}

function read(topic: string, bytes: Uint8Array): ContainerEvent | undefined {
  switch (topic) {
    case '/tasks/start': {
      const { containerId, pid } = decodeMessage(TaskStartSchema, bytes);
      return { phase: 'Started', containerId, pid };
    }
    case '/tasks/exec-started': {
      const { containerId, pid } = decodeMessage(TaskExecStartedSchema, bytes);
      return { phase: 'Entered', containerId, pid };
    }
    case '/tasks/oom':
      return { phase: 'OutOfMemory', containerId: decodeMessage(TaskOOMSchema, bytes).containerId };
    case '/tasks/exit': {
      const { containerId, id } = decodeMessage(TaskExitSchema, bytes);
      return id === containerId ? { phase: 'Exited', containerId } : undefined;
    }
    default:
      return undefined;
  }
}
