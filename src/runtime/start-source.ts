// SPDX-License-Identifier: Apache-2.0
import type { ContainerEvent } from './port.ts';

/** Who is told what a source sees. */
export interface StartSink {
  /**
   * The promise settles when the event has been dealt with; a source that can hold the start waits for it. It rejects
   * with what went wrong, which has then been logged: the source carries on.
   */
  event(event: ContainerEvent): Promise<void>;
  /** The source is connected after a gap: from now on it misses nothing, what came before it may have missed. */
  connected(): void;
}

/** One way of learning of container starts. Connects by itself, again and again. */
export interface StartSource {
  readonly connected: boolean;
  /** Resolves after `signal` aborts. */
  run(sink: StartSink, signal: AbortSignal): Promise<void>;
}
