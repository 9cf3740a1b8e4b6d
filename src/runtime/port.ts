// SPDX-License-Identifier: Apache-2.0
import type { ContainerEvidence } from '../attest/port.ts';

/** A container of a pod that has not ended. */
export interface AliveContainer {
  readonly id: string;
  readonly podUid: string;
  /** False: created, not yet started. */
  readonly running: boolean;
}

/** What the agent asks of the container runtime. */
export interface ContainerRuntime {
  /**
   * Describes a container with its image's digests (index, manifest and config).
   * Undefined where the runtime does not know it (sandboxes are no containers). Throws `Unavailable` when the
   * runtime does not answer.
   */
  container(id: string): Promise<ContainerEvidence | undefined>;
  /** Ids of all containers (not sandboxes) of a pod that are created or running. Throws like `container`. */
  containersOf(podUid: string): Promise<readonly string[]>;
  /** All containers of all pods that are created or running. Throws like `container`. */
  alive(): Promise<readonly AliveContainer[]>;
  close(): void;
}

/** A container of a pod on this node that starts, started or ended. */
export interface ContainerEvent {
  /**
   * `Starting`: created, its program not yet executed, the runtime waits (NRI only). `Started`: its
   * program has been executed (its shared libraries may still be loading). `Entered`: another process was executed in it from
   * outside, `pid` (task events only). `OutOfMemory`: the kernel has ended one of its processes (task events only).
   * `Exited`: its first process is gone, however it went.
   */
  readonly phase: 'Starting' | 'Started' | 'Entered' | 'OutOfMemory' | 'Exited';
  readonly containerId: string;
  /** Undefined where the source does not tell (task events). */
  readonly podUid?: string;
  /** Of the container in its pod, where NRI tells. */
  readonly containerName?: string;
  /** Of the pod as the runtime has made it; where NRI tells. */
  readonly pod?: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** How long the runtime waits for the answer, while `Starting`. */
  readonly holdMilliseconds?: number;
  /** Host pid of the container's first process, of the other one where `Entered`. While `Starting` it still executes the runtime's own program (runc). */
  readonly pid?: number;
}

/**
 * Tells of container starts. Adapters: NRI (the start is held until `onEvent`'s promise settles or the hold limit
 * passes) and containerd task events (after the fact). Reconnects by itself; never throws for an absent runtime.
 *
 * After every gap (first connection, reconnection, a runtime that was away) `Started` is told of everything that runs
 * and was not told of yet, and `Exited` of everything told of that is gone: who keeps what it is told is up to date.
 * Each phase of a container is told of once, an exit only of a container that was told of; one that ends at once may
 * never be `Started`. A `Started` can overtake a `Starting` that outlived the hold limit. Sandboxes may show up;
 * `ContainerRuntime.container` does not know them. What `onEvent` throws is logged and changes nothing, but for a
 * `StartRefused` while `Starting`: then the runtime does not start the container.
 *
 * While one start is held the runtime starts no other container on the node (NRI serves one request at a time):
 * `onEvent` must settle at once for a container that is no module.
 */
export interface ContainerStarts {
  /** `Nri` holds starts, `TaskEvents` does not. What serves just now; it changes when NRI comes or goes. */
  readonly kind: 'Nri' | 'TaskEvents';
  /** Whether the source is connected just now. */
  readonly connected: boolean;
  /** Resolves after `signal` aborts. May be called once. */
  run(onEvent: (event: ContainerEvent) => Promise<void>, signal: AbortSignal): Promise<void>;
}
