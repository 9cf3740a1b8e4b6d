// SPDX-License-Identifier: Apache-2.0
import type { ContainerEvidence } from '../attest/port.ts';

/** What the agent asks of the container runtime. */
export interface ContainerRuntime {
  /**
   * Describes a container with its image's digests (index, manifest and config).
   * Undefined where the runtime does not know it. Throws `Unavailable` when the runtime does not answer.
   */
  container(id: string): Promise<ContainerEvidence | undefined>;
  /** Ids of all containers (not sandboxes) of a pod that are created or running. */
  containersOf(podUid: string): Promise<readonly string[]>;
  close(): void;
}

/** A container of a pod on this node that starts, started or ended. */
export interface ContainerEvent {
  readonly phase: 'Starting' | 'Started' | 'Exited';
  readonly containerId: string;
  /** Undefined where the source does not tell (task events). */
  readonly podUid?: string;
  readonly pid?: number;
}

/**
 * Tells of container starts. Adapters: NRI (the start is held until `onEvent`'s promise settles or the hold limit
 * passes) and containerd task events (after the fact). Reconnects by itself; never throws for an absent runtime.
 */
export interface ContainerStarts {
  /** `Nri` holds starts, `TaskEvents` does not. */
  readonly kind: 'Nri' | 'TaskEvents';
  /** Whether the source is connected just now. */
  readonly connected: boolean;
  run(onEvent: (event: ContainerEvent) => Promise<void>, signal: AbortSignal): Promise<void>;
}
