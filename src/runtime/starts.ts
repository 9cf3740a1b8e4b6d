// SPDX-License-Identifier: Apache-2.0
import { NRI_PLUGIN } from '../api/names.ts';
import type { Logger } from '../log.ts';
import { pause } from './back-off.ts';
import { untilExecuted } from './execution.ts';
import { Ledger } from './ledger.ts';
import type { HoldResult } from './nri/hold.ts';
import { NriSource } from './nri/source.ts';
import type { ContainerEvent, ContainerRuntime, ContainerStarts } from './port.ts';
import type { StartSink, StartSource } from './start-source.ts';
import { TaskEventSource } from './task-events.ts';

export interface ContainerStartsOptions {
  /** containerd's socket. */
  readonly runtimeSocket: string;
  /** NRI socket; undefined: never hold starts. It may be absent, come and go. */
  readonly nriSocket?: string;
  /** Told what is alive after a gap. */
  readonly runtime: Pick<ContainerRuntime, 'alive'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'debug'>;
  /** Longest hold of a container's start in milliseconds, default 1500. The runtime's limit (2 s by default) shortens it. */
  readonly holdMilliseconds?: number;
  /** Told by NRI of every container that runs, whether or not that is news: again after each gap. */
  readonly onRunning?: (event: ContainerEvent) => void;
  /** Told of every held start, for metrics. */
  readonly onHeld?: (containerId: string, result: HoldResult) => void;
}

/** Index 90: after the plugins that adjust containers, so that what we see is what will run. */
const PLUGIN = { name: NRI_PLUGIN, index: '90' };
const DEFAULT_HOLD_MS = 1500;
/** A container whose start came just before a subscription may not be listed as running yet; the second look finds it. */
const LOOK_AGAIN_MS = 1000;
const RETRY_LIST_MS = 500;
/** A container that has not executed its program by then is told of as it is. */
const EXECUTION_LIMIT_MS = 2000;

/**
 * Container starts by NRI where the runtime has it, and by containerd's task events beside it. Both run all the time:
 * the first that tells of something is believed, and either may go away and come back.
 */
export class RuntimeStarts implements ContainerStarts {
  readonly #nri: StartSource | undefined;
  readonly #tasks: StartSource;
  readonly #options: ContainerStartsOptions;
  readonly #ledger = new Ledger();
  #onEvent: (event: ContainerEvent) => Promise<void> = () => Promise.resolve();
  #listing: Promise<void> | undefined;
  #listAgain = false;

  constructor(options: ContainerStartsOptions) {
    const onProblem = (message: string, cause?: unknown): void => options.log.warn({ err: cause }, message);
    this.#options = options;
    this.#tasks = new TaskEventSource(options.runtimeSocket, { onProblem });
    if (options.nriSocket === undefined) return;
    this.#nri = new NriSource(options.nriSocket, {
      ...PLUGIN,
      holdMilliseconds: options.holdMilliseconds ?? DEFAULT_HOLD_MS,
      ...(options.onHeld && { onHeld: options.onHeld }),
      onProblem,
    });
  }

  get kind(): 'Nri' | 'TaskEvents' {
    return this.#nri?.connected === true ? 'Nri' : 'TaskEvents';
  }

  get connected(): boolean {
    return this.#nri?.connected === true || this.#tasks.connected;
  }

  async run(onEvent: (event: ContainerEvent) => Promise<void>, signal: AbortSignal): Promise<void> {
    this.#onEvent = onEvent;
    const sink = (name: 'nri' | 'task-events'): StartSink => ({
      event: (event) => {
        if (name === 'nri' && event.phase === 'Started') this.#runs(event);
        return this.#tell(event, signal);
      },
      connected: () => {
        this.#options.log.info({ source: name }, 'connected to the container runtime');
        this.#catchUp(signal);
      },
    });
    await Promise.all([this.#nri?.run(sink('nri'), signal), this.#tasks.run(sink('task-events'), signal)]);
    await this.#listing;
  }

  #runs(event: ContainerEvent): void {
    const { onRunning, log } = this.#options;
    try {
      onRunning?.(event);
    } catch (thrown) {
      log.warn({ err: thrown, containerId: event.containerId }, 'it could not be told whether a start was held');
    }
  }

  /** Rejects with what the callback throws, so that a held start is known to have been released by a failure. */
  async #tell(event: ContainerEvent, signal: AbortSignal): Promise<void> {
    const news = this.#ledger.admit(event);
    if (news === undefined) return;
    const { phase, containerId, pid } = news;
    if (phase === 'Started' && pid !== undefined) {
      await untilExecuted(pid, EXECUTION_LIMIT_MS, signal);
      if (!this.#ledger.holds(containerId)) return;
    }
    try {
      await this.#onEvent(news);
    } catch (thrown) {
      this.#options.log.warn({ err: thrown, phase, containerId }, 'a container event could not be dealt with');
      throw thrown;
    }
  }

  /** One list at a time; a source that connects meanwhile makes for another one. */
  #catchUp(signal: AbortSignal): void {
    this.#listAgain = true;
    this.#listing ??= this.#list(signal).finally(() => (this.#listing = undefined));
  }

  async #list(signal: AbortSignal): Promise<void> {
    while (this.#listAgain && !signal.aborted) {
      this.#listAgain = false;
      await this.#listOnce(signal);
      await pause(LOOK_AGAIN_MS, signal);
      await this.#listOnce(signal);
    }
  }

  async #listOnce(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#ledger.beginList();
      try {
        const alive = await this.#options.runtime.alive();
        for (const event of this.#ledger.missed(alive)) this.#tell(event, signal).catch(() => undefined);
        return;
      } catch (thrown) {
        this.#options.log.warn({ err: thrown }, 'the running containers could not be listed; trying again');
        await pause(RETRY_LIST_MS, signal);
      }
    }
  }
}
