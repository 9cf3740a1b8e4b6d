// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a program in a unit, or an impostor of one, is started as. */
export interface StartAs {
  readonly uid?: number;
  /** Full name of the unit; undefined: none. */
  readonly unit?: string | undefined;
}

export interface Answer {
  /** 0 where the server answered; curl's exit code else. */
  readonly exit: number;
  readonly status: number;
  /** Answer's body. */
  readonly body: Buffer;
  /** Of a gRPC answer without messages: status and message. */
  readonly headers: string;
}

/** No user of the machine; curl and the service run as it. */
export const USER = 64990;

/**
 * A systemd unit without systemd: its cgroup in each hierarchy in which systemd would make it, with programs of a folder of
 * its own, which the module lists. Each program is started outside and put in, as systemd does before it executes it.
 */
export class HostService implements AsyncDisposable {
  readonly unit = `keystead-test-${randomBytes(4).toString('hex')}.service`;
  readonly #folder = mkdtempSync(join(tmpdir(), 'keystead-host-'));
  readonly #children = new Set<ChildProcess>();
  readonly #units = new Set<string>();

  constructor() {
    chmodSync(this.#folder, 0o755);
    for (const name of ['sleep', 'curl']) copyFileSync(`/usr/bin/${name}`, this.path(name));
    // A flag and four bytes of length, as gRPC frames it.
    writeFileSync(this.emptyMessage, Buffer.alloc(5));
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** File with an empty message of gRPC. */
  get emptyMessage(): string {
    return this.path('empty-message');
  }

  /** What the module lists. */
  executables(): { readonly path: string; readonly sha256: string }[] {
    return ['sleep', 'curl'].map((name) => ({ path: this.path(name), sha256: sha256(this.path(name)) }));
  }

  /** Starts a program that runs on; by default the module's own. */
  start(as: StartAs = {}, program = this.path('sleep')): ChildProcess {
    return this.#run(program, ['1000000'], as);
  }

  /** Calls a unix socket with curl, and gives the answer or how the call failed. */
  async call(socket: string, options: readonly string[], as: StartAs = {}, curl = this.path('curl')): Promise<Answer> {
    const child = this.#run(curl, ['--config', '-'], as);
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    const settings = ['silent', 'show-error', 'include', 'max-time = 8', `unix-socket = "${socket}"`, ...options];
    // It waits for its settings until it is in the unit.
    child.stdin?.end(settings.join('\n'));
    const exit = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
    const answer = Buffer.concat(await out);
    const end = answer.indexOf('\r\n\r\n');
    const headers = answer.subarray(0, Math.max(end, 0)).toString();
    const body = end < 0 ? Buffer.alloc(0) : answer.subarray(end + 4);
    const status = Number(/^HTTP\S+ (\d+)/.exec(headers)?.[1] ?? 0);
    return { exit, status, body, headers: `${headers}${Buffer.concat(await err).toString()}` };
  }

  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    this.#children.delete(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)));
    for (const unit of this.#units) for (const group of groupsOf(unit)) rmdirSync(group);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(program: string, args: readonly string[], { uid = USER, unit = this.unit }: StartAs): ChildProcess {
    const child = spawn(program, args, { uid, gid: uid, env: {}, stdio: 'pipe' });
    this.#children.add(child);
    if (unit !== NO_UNIT)
      for (const group of this.#make(unit)) writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
    return child;
  }

  #make(unit: string): string[] {
    this.#units.add(unit);
    const groups = groupsOf(unit);
    for (const group of groups) mkdirSync(group, { recursive: true });
    return groups;
  }
}

export const NO_UNIT = '';

function groupsOf(unit: string): string[] {
  return systemdHierarchies().map((path) => join(path, 'system.slice', unit));
}

/** Hierarchies in which systemd has cgroups: on cgroup v1 its own and, where it is mounted, the unified one. */
export function systemdHierarchies(): string[] {
  const root = '/sys/fs/cgroup';
  const hierarchies = existsSync(join(root, 'cgroup.procs')) ? [root] : [join(root, 'systemd'), join(root, 'unified')];
  return hierarchies.filter((path) => existsSync(path));
}

export function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

async function collect(stream: NodeJS.ReadableStream | null): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream ?? []) chunks.push(chunk as Buffer);
  return chunks;
}
