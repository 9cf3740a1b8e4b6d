// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotaryClient } from '../../../src/notary/client.ts';

const BINARY = join(import.meta.dirname, '../../../src/bin/notary.ts');

export interface NotaryProcessOptions {
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly agentUid?: number;
  /** User to run as; the test's own where left out. */
  readonly uid?: number;
  /** Node's arguments up to the program; the program from its source where left out. */
  readonly program?: readonly string[];
}

/** The notary as a process, as it runs in its container. */
export class NotaryProcess {
  readonly socket: string;
  readonly health: string;
  readonly client: NotaryClient;
  readonly #options: NotaryProcessOptions;
  #child: ChildProcess | undefined;
  output = '';

  constructor(options: NotaryProcessOptions) {
    const run = join(options.folder, 'run');
    mkdirSync(run, { recursive: true });
    if (options.uid !== undefined) {
      chownSync(run, options.uid, options.uid);
      chownSync(options.folder, options.uid, options.uid);
    }
    this.#options = options;
    this.socket = join(run, 'notary.sock');
    this.health = join(run, 'health.sock');
    this.client = new NotaryClient({ path: this.socket, patienceMs: 30_000 });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Whether it has ended by itself or by a signal. */
  get ended(): boolean {
    return this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get logLines(): Record<string, unknown>[] {
    const lines = this.output.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  start(): void {
    const { folder, environment, agentUid, uid, program = [BINARY] } = this.#options;
    const child = spawn(process.execPath, program, {
      env: {
        PATH: process.env['PATH'],
        ...environment,
        KEYSTEAD_NOTARY_SOCKET: this.socket,
        KEYSTEAD_NOTARY_STATE: join(folder, 'state'),
        KEYSTEAD_NOTARY_HEALTH: this.health,
        ...(agentUid !== undefined && { KEYSTEAD_AGENT_UID: String(agentUid) }),
      },
      ...(uid !== undefined && { uid, gid: uid }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#child = child;
  }

  /** Sends a signal and waits for the end. Gives the exit code, or the signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    const child = this.#child;
    if (!child || this.ended) return child?.exitCode ?? null;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
    return child.exitCode ?? child.signalCode;
  }

  /** GET over the health socket. */
  get(path: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.health, path }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      });
      asked.on('error', reject);
      asked.end();
    });
  }
}

/** Waits until a condition holds; fails after half a minute. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
    await sleep(50);
  }
}
