// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { HELD_SOCKETS, type HeldSocket, type HolderMessage } from './held-sockets.ts';

export interface SupervisorOptions {
  /** Arguments of node: its flags, the program, the program's arguments. */
  readonly arguments: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly log: { error(about: object, message: string): void };
  /** Told when a process has been started. */
  readonly started?: (pid: number) => void;
}

/** A program that ran this long has ended of something else than its start, milliseconds. */
const STEADY_MS = 10_000;
/** Quick ends in a row before whoever started the supervisor shall see it. */
const MAX_QUICK_ENDS = 5;
const WAIT_MS = 200;

/** What arrives over the channel in place of a socket: node's wrapper of a descriptor. */
interface Handle {
  readonly fd: number;
  close(): void;
}

/**
 * Runs a program and starts it again at once when it ends, and holds its listening sockets meanwhile (`HeldSockets`). Does
 * nothing else, so that it has nothing to fail of.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #held = new Map<string, { readonly socket: HeldSocket; readonly handle: Handle }>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Resolves with the exit code to end with: the program's own, once it was told to end or ends again and again. */
  async run(signal: AbortSignal): Promise<number> {
    const { log } = this.#options;
    for (let quickEnds = 0; ;) {
      const startedAt = performance.now();
      const child = this.#start();
      const stop = (): void => void child.kill('SIGTERM');
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      signal.removeEventListener('abort', stop);
      if (signal.aborted) return code ?? 1;
      quickEnds = performance.now() - startedAt < STEADY_MS ? quickEnds + 1 : 0;
      log.error({ code, signal: by, sockets: this.#held.size }, 'the program has ended, it is started again');
      if (quickEnds >= MAX_QUICK_ENDS) return code || 1;
      await setTimeout(quickEnds > 1 ? WAIT_MS * quickEnds : 0);
    }
  }

  #start(): ChildProcess {
    const { environment, arguments: args } = this.#options;
    const held = [...this.#held.values()];
    const sockets = JSON.stringify(held.map(({ socket }) => socket));
    const descriptors = held.map(({ handle }) => handle.fd);
    const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'ipc', ...descriptors];
    const child = spawn(process.execPath, args, { stdio, env: { ...environment, [HELD_SOCKETS]: sockets } });
    child.on('error', (error) => this.#options.log.error({ err: error.message }, 'the program cannot be started'));
    child.on('message', (message, handle) => this.#heard(message as HolderMessage, handle as unknown as Handle));
    if (child.pid !== undefined) this.#options.started?.(child.pid);
    return child;
  }

  #heard(message: HolderMessage, handle: Handle | undefined): void {
    const key = 'hold' in message ? message.hold.key : message.release;
    this.#held.get(key)?.handle.close();
    this.#held.delete(key);
    if ('hold' in message && handle) this.#held.set(key, { socket: message.hold, handle });
  }
}
