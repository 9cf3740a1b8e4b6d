// SPDX-License-Identifier: Apache-2.0
import { PodStart, requiresIdentity } from '../../../controllers/pod-start.ts';
import { asKeysteadError } from '../../errors.ts';
import type { Holding } from '../../identity/holding.ts';
import { REQUIRES_IDENTITY_ANNOTATION } from '../../api/names.ts';
import { modulesOf } from '../../identity/module-match.ts';
import { pods, type Events } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { ContainerEvent, ContainerRuntime } from '../../runtime/port.ts';
import { HaltedStart, leftHalted } from '../../runtime/halted-start.ts';
import type { HeldRecord } from '../../runtime/held-record.ts';
import { StartRefused } from '../../runtime/start-refused.ts';
import { endUnheld } from '../../runtime/unheld-start.ts';
import type { AgentCaches } from './caches.ts';
import type { AgentMetrics } from './metrics.ts';
import type { PodLookup } from './pod-lookup.ts';
import type { ProcessSource } from './process-source.ts';

export interface AgentStartsParts {
  readonly log: Logger;
  readonly caches: Pick<AgentCaches, 'modules'>;
  readonly runtime: Pick<ContainerRuntime, 'container' | 'alive'>;
  readonly processes: Pick<ProcessSource, 'of' | 'containerOf'>;
  readonly lookup: Pick<PodLookup, 'soon' | 'isModule'>;
  readonly metrics: Pick<AgentMetrics, 'held' | 'startRefused'>;
  readonly record: HeldRecord;
  readonly events: Pick<Events, 'emit'>;
  readonly isRunning: () => boolean;
  /** Judges a pod at once; never throws. */
  readonly look: (podUid: string, event: ContainerEvent) => Promise<void>;
  readonly holding: (podUid: string) => Holding | undefined;
}

const UNHELD = {
  type: 'Warning',
  action: 'Start',
  reason: 'StartNotHeld',
  note:
    'startPolicy Require: the container had started while no agent was there to hold it and look at it first. It was ended; the ' +
    'kubelet starts it again.',
} as const;

/** What the container runtime tells of this node's containers, brought to the pods that it concerns. */
export class AgentStarts {
  readonly #parts: AgentStartsParts;
  readonly #start: PodStart;

  constructor(parts: AgentStartsParts) {
    this.#parts = parts;
    const { caches, lookup } = parts;
    this.#start = new PodStart({
      halt: (pid) => HaltedStart.halt(pid),
      held: (containerId) => parts.record.add(containerId),
      isRunning: parts.isRunning,
      podUid: (event) => this.#podUid(event),
      pod: (podUid) => lookup.soon(podUid),
      isModule: (pod) => lookup.isModule(pod),
      modules: (pod) => modulesOf(pod, caches.modules.by('namespace', pod.metadata.namespace)),
      prepare: parts.look,
      holding: parts.holding,
      sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
      refusal: (message) => new StartRefused(message),
    });
  }

  /** Throws StartRefused where a held container must not start. */
  async told(event: ContainerEvent): Promise<void> {
    if (event.phase === 'Exited') this.#parts.record.delete(event.containerId);
    if (event.phase === 'Starting') await this.#hold(event);
    else if (this.#parts.isRunning()) await this.#look(event);
  }

  /**
   * A container runs: one that must not start without its identity, and whose start neither this agent nor one before it has held,
   * is ended; the kubelet starts it anew.
   */
  runs(event: ContainerEvent): void {
    const { record, processes, metrics, log, events } = this.#parts;
    const { containerId, podUid, containerName, pod, pid } = event;
    if (!requiresIdentity(event) || !pod || pid === undefined || record.has(containerId)) return;
    if (!endUnheld(pid, record.since, (each) => processes.containerOf(each) === containerId)) return;
    metrics.startRefused();
    log.warn({ podUid, container: containerName, pid }, 'a start that was not held was ended');
    if (podUid === undefined) return;
    const { namespace, name } = pod;
    events.emit(pods, { metadata: { namespace, name, uid: podUid } }, UNHELD);
  }

  /** Goes on with the starts that an agent before this one held as it died. */
  async takeOver(): Promise<void> {
    const { runtime, processes, log, record } = this.#parts;
    // Asked before the runtime: what starts meanwhile stays.
    const recorded = record.ids();
    const containers = await runtime.alive();
    const alive = new Set(containers.map(({ id }) => id));
    for (const id of recorded) if (!alive.has(id)) record.delete(id);
    for (const left of leftHalted(containers, (place) => processes.of(place))) {
      // Each by itself: what stands in the way of one keeps none of the others stopped.
      await this.#goOn(left).catch((thrown: unknown) => {
        // A refusal is logged where it is made.
        if (thrown instanceof StartRefused) return;
        const { code, message } = asKeysteadError(thrown);
        log.error({ podUid: left.podUid, pid: left.pid, code, err: message }, 'a held start could not be judged');
      });
    }
  }

  async #goOn({ id, podUid, pid }: ReturnType<typeof leftHalted>[number]): Promise<void> {
    const { runtime, log } = this.#parts;
    const containerName = (await runtime.container(id))?.name ?? '';
    const pod = { namespace: '', name: '', annotations: { [REQUIRES_IDENTITY_ANNOTATION]: containerName } };
    log.info({ podUid, container: containerName, pid }, 'a start that was held by the agent before this one');
    await this.#hold({ phase: 'Starting', containerId: id, podUid, containerName, pod, pid });
  }

  async #hold(event: ContainerEvent): Promise<void> {
    const { metrics, log } = this.#parts;
    const toldAt = performance.now();
    try {
      if (await this.#start.hold(event)) metrics.held((performance.now() - toldAt) / 1000);
    } catch (thrown) {
      if (thrown instanceof StartRefused) {
        metrics.startRefused();
        log.warn({ podUid: event.podUid, container: event.containerName, err: thrown.message }, 'start refused');
      }
      throw thrown;
    }
  }

  async #look(event: ContainerEvent): Promise<void> {
    const { lookup, look } = this.#parts;
    const podUid = await this.#podUid(event);
    const pod = podUid === undefined ? undefined : await lookup.soon(podUid);
    if (pod && podUid !== undefined && lookup.isModule(pod)) await look(podUid, event);
  }

  async #podUid({ podUid, containerId }: ContainerEvent): Promise<string | undefined> {
    return podUid ?? (await this.#parts.runtime.container(containerId))?.podUid;
  }
}
