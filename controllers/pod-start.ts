// SPDX-License-Identifier: Apache-2.0
import { REQUIRES_IDENTITY_ANNOTATION } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule } from '../src/api/v1alpha1/index.ts';
import type { Holding, Refusal } from '../src/identity/holding.ts';
import type { ContainerEvent } from '../src/runtime/port.ts';

/** A process that waits to be let go, or never to be. */
export interface Halted {
  release(): void;
  kill(): void;
}

export interface PodStartPorts {
  /** Stops the first process of a container before its program, whatever becomes of this agent; undefined where it runs already. */
  halt(pid: number): Halted | undefined;
  /** Takes down, for the agents after this one, that the start of a container was held and may go on. */
  held(containerId: string): void;
  /** Whether pods can be judged; they cannot in the first moments of an agent. */
  isRunning(): boolean;
  /** Uid of the pod of a container; undefined where the runtime does not know it. */
  podUid(event: ContainerEvent): Promise<string | undefined>;
  /** The pod, soon: undefined where it is not known after a short wait. */
  pod(podUid: string): Promise<Pod | undefined>;
  isModule(pod: Pod): boolean;
  modules(pod: Pod): readonly EdgeModule[];
  /** Judges the pod and gives it what it may have. */
  prepare(podUid: string, event: ContainerEvent): Promise<void>;
  holding(podUid: string): Holding | undefined;
  sleep(milliseconds: number): Promise<void>;
  /** Makes the error that keeps a container from starting. */
  refusal(message: string): Error;
}

/** How often a start that must not happen yet is looked at again while the agent itself is starting, milliseconds. */
const POLL_MS = 20;
/** The answer must reach the runtime within the limit. */
const MARGIN_MS = 100;
const DEFAULT_LIMIT_MS = 1_400;

/** What happens to a container start that the runtime holds, by EdgeModule.spec.startPolicy. */
export class PodStart {
  readonly #ports: PodStartPorts;

  constructor(ports: PodStartPorts) {
    this.#ports = ports;
  }

  /** Returns when the container may start; whether anything was prepared. Throws `refusal` where it must not start. */
  async hold(event: ContainerEvent): Promise<boolean> {
    // First of all: should this agent die in the middle, the runtime would go on.
    const annotated = requiresIdentity(event);
    const halted = annotated && event.pid !== undefined ? this.#ports.halt(event.pid) : undefined;
    try {
      const prepared = await this.#judge(event);
      // One that runs already was told of too late.
      if (annotated && (halted || event.pid === undefined)) this.#ports.held(event.containerId);
      halted?.release();
      return prepared;
    } catch (thrown) {
      halted?.kill();
      throw thrown;
    }
  }

  async #judge(event: ContainerEvent): Promise<boolean> {
    const limit = (event.holdMilliseconds ?? DEFAULT_LIMIT_MS) - MARGIN_MS;
    const annotated = requiresIdentity(event);
    if (!(await this.#running(annotated ? limit : 0))) {
      return this.#unprepared(annotated, 'the agent of this node has just started and does not know its pods yet');
    }
    const found = await this.#find(event);
    if (!found) return this.#unprepared(annotated, 'no EdgeModule on this node claims the pod');
    const { pod, modules } = found;
    if (!annotated && isImmediate(modules)) return false;
    const podUid = pod.metadata.uid;
    if (annotated || (demandsIdentity(modules) && isModuleContainer(event, pod, modules))) {
      await this.#require(podUid, event, limit);
    } else await this.#ports.prepare(podUid, event);
    return true;
  }

  async #find(event: ContainerEvent): Promise<{ pod: Pod; modules: readonly EdgeModule[] } | undefined> {
    const podUid = await this.#ports.podUid(event);
    const pod = podUid === undefined ? undefined : await this.#ports.pod(podUid);
    return pod && this.#ports.isModule(pod) ? { pod, modules: this.#ports.modules(pod) } : undefined;
  }

  #unprepared(demanded: boolean, why: string): false {
    if (demanded) throw this.#refused(why);
    return false;
  }

  async #running(patience: number): Promise<boolean> {
    for (let waited = 0; !this.#ports.isRunning() && waited < patience; waited += POLL_MS) {
      await this.#ports.sleep(POLL_MS);
    }
    return this.#ports.isRunning();
  }

  async #require(podUid: string, event: ContainerEvent, limit: number): Promise<void> {
    const prepared = this.#ports.prepare(podUid, event).then(() => true);
    const inTime = await Promise.race([prepared, this.#ports.sleep(limit).then(() => false)]);
    if (!inTime) throw this.#refused(`its identity could not be prepared within ${Math.round(limit)} ms`);
    const lacking = lackOf(this.#ports.holding(podUid), event.containerId);
    if (lacking) throw this.#refused(`${lacking.reason}: ${lacking.message}`);
  }

  #refused(why: string): Error {
    return this.#ports.refusal(`startPolicy Require keeps this module from starting without its identity: ${why}`);
  }
}

/** Whether the pod says of itself that this container must not start without its identity. */
export function requiresIdentity({ pod, containerName }: ContainerEvent): boolean {
  const required = pod?.annotations[REQUIRES_IDENTITY_ANNOTATION];
  return required !== undefined && required === containerName;
}

function isImmediate(modules: readonly EdgeModule[]): boolean {
  return modules.length > 0 && modules.every(({ spec }) => spec.startPolicy === 'Immediate');
}

function demandsIdentity(modules: readonly EdgeModule[]): boolean {
  return modules.some(({ spec }) => spec.startPolicy === 'Require');
}

/** Runtimes that do not name the container are taken at their word: then every container of the pod waits. */
function isModuleContainer({ containerName }: ContainerEvent, pod: Pod, [module]: readonly EdgeModule[]): boolean {
  return containerName === undefined || containerName === (module?.spec.container ?? pod.spec.containers[0]?.name);
}

/** Why the container does not have all that its module asks for; undefined where it has. */
function lackOf(holding: Holding | undefined, containerId: string): Refusal | undefined {
  if (holding?.container?.id !== containerId) {
    return {
      reason: 'NotAttested',
      message: 'the container runtime or the API server did not answer; it is tried again',
    };
  }
  if (holding.verdict !== 'Allowed') return holding.refusal ?? { reason: 'Denied', message: 'the module was refused' };
  return [...holding.refused.values()][0];
}
