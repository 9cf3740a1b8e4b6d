// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net';
import { repeat } from '../back-off.ts';
import type { StartSink, StartSource } from '../start-source.ts';
import { NriPlugin, type NriPluginOptions } from './plugin.ts';

/** The runtime closes a plugin that was slow, and loses all at its own restart; in both cases starts go by unheld. */
const BACK_OFF = { first: 20, max: 1000 };

/** Container starts by NRI: connects to the runtime's NRI socket and registers, again and again. */
export class NriSource implements StartSource {
  readonly #path: string;
  readonly #options: NriPluginOptions;
  #plugin: NriPlugin | undefined;

  /** `path`: NRI socket, by default /var/run/nri/nri.sock. It need not exist. */
  constructor(path: string, options: NriPluginOptions) {
    this.#path = path;
    this.#options = options;
  }

  get connected(): boolean {
    return this.#plugin?.synchronized ?? false;
  }

  async run(sink: StartSink, signal: AbortSignal): Promise<void> {
    await repeat(() => this.#once(sink, signal), BACK_OFF, signal);
  }

  /** One connection; returns for how many milliseconds we were registered. */
  async #once(sink: StartSink, signal: AbortSignal): Promise<number> {
    const socket = await open(this.#path);
    if (socket === undefined) return 0;
    let since: number | undefined;
    const connected = (): void => {
      since = performance.now();
      sink.connected();
    };
    const plugin = new NriPlugin(socket, { event: (event) => sink.event(event), connected }, this.#options);
    this.#plugin = plugin;
    const close = (): void => plugin.close();
    if (signal.aborted) close();
    signal.addEventListener('abort', close, { once: true });
    const reason = await plugin.run();
    signal.removeEventListener('abort', close);
    this.#plugin = undefined;
    if (!signal.aborted) this.#options.onProblem?.('the NRI connection ended; connecting again', reason);
    return since === undefined ? 0 : performance.now() - since;
  }
}

/** A connected socket; undefined where nobody listens. */
function open(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const failed = (): void => resolve(undefined);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.removeListener('error', failed);
      resolve(socket);
    });
  });
}
