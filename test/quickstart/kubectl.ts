// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { QuickstartError } from './quickstart-error.ts';

const execute = promisify(execFile);
const POLL_MS = 200;
/** How often a long wait says what it waits for. */
const REMINDER_MS = 15_000;

/** The parts of any Kubernetes object that the quickstart reads. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: unknown;
}

/** kubectl against one cluster. */
export class Kubectl {
  readonly #program: string;
  readonly #kubeconfig: string | undefined;

  constructor(program: string, kubeconfig: string | undefined) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
  }

  /** Environment for other programs (helm) that shall see the same cluster. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, ...(this.#kubeconfig !== undefined && { KUBECONFIG: this.#kubeconfig }) };
  }

  /** Runs it and resolves with its standard output. */
  async run(args: readonly string[], input?: string): Promise<string> {
    const running = execute(this.#program, args, { env: this.environment, maxBuffer: 64 * 1024 * 1024 });
    running.child.stdin?.end(input ?? '');
    try {
      return (await running).stdout;
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string };
      throw new QuickstartError(`kubectl ${args.join(' ')}: ${(stderr?.trim() ?? '') || message}`, { cause: error });
    }
  }

  /** The named object, or undefined where it (or its kind) is not there. */
  async find<T extends KubeObject>(args: readonly string[]): Promise<T | undefined> {
    const text = await this.run(['get', ...args, '-o', 'json', '--ignore-not-found']);
    return text.trim() === '' ? undefined : (JSON.parse(text) as T);
  }

  async list<T extends KubeObject>(args: readonly string[]): Promise<readonly T[]> {
    return (JSON.parse(await this.run(['get', ...args, '-o', 'json'])) as { items: T[] }).items;
  }

  async apply(manifest: string): Promise<void> {
    await this.run(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=keystead-quickstart', '-f', '-'],
      manifest,
    );
  }
}

/**
 * Asks again and again until there is an answer. `look` gives the answer, or a line that says what is still missing;
 * that line is the error after `seconds`.
 */
export async function until<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | string>,
): Promise<Exclude<T, string>> {
  const deadline = Date.now() + seconds * 1000;
  let reminder = Date.now() + REMINDER_MS;
  for (;;) {
    const found = await look();
    if (typeof found !== 'string') return found as Exclude<T, string>;
    if (Date.now() > deadline) throw new QuickstartError(`${what}: not within ${seconds} s. Last seen: ${found}`);
    if (Date.now() > reminder) {
      reminder += REMINDER_MS;
      console.log(`             waiting for ${what}: ${found}`);
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}
