// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProcessMeter, type MeterOptions } from '../../../src/attest/process.ts';

const BUSYBOX = '/bin/busybox';

/** These tests mount file systems and enter namespaces; Debian's busybox-static is the one program of the containers. */
export const possible = process.getuid?.() === 0 && existsSync(BUSYBOX);

/**
 * What the tests take for the node: a mount namespace apart from this program's, as the host's is from the agent's.
 * Its mounts end with it, also when this program is killed.
 */
export class Host implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'keystead-attest-'));
  readonly #holder: ChildProcess;
  readonly #started: ChildProcess[] = [];

  constructor() {
    // `cat` ends when its standard input is closed, which the kernel does when this program ends.
    this.#holder = spawn('unshare', ['--mount', '--propagation', 'private', 'cat'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
  }

  get pid(): number {
    return this.#holder.pid!;
  }

  async ready(): Promise<this> {
    await eventually(() => readlinkSync(`/proc/${this.pid}/exe`).endsWith('/cat'));
    return this;
  }

  meter(options: MeterOptions = {}): ProcessMeter {
    const host = `/proc/${this.pid}`;
    return new ProcessMeter({ hostRoot: `${host}/root`, hostMounts: `${host}/mountinfo`, ...options });
  }

  /** Runs a shell command in the host's mount namespace; `$1`, `$2` … are `args`. Throws where it fails. */
  run(script: string, ...args: string[]): string {
    const inHost = ['--mount', '--target', String(this.pid), 'sh', '-ec', script, 'sh', ...args];
    const { status, stdout, stderr } = spawnSync('nsenter', inHost, { encoding: 'utf8', timeout: 10_000 });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  }

  /** Starts a program; it ends with this host, and with this program. */
  start(command: string, args: readonly string[]): ChildProcess {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { stdio: 'ignore' });
    this.#started.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#started, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A folder of an image with busybox in it, and the mount points that a container needs. */
export function imageLayer(host: Host, name = 'layer'): string {
  const layer = join(host.folder, name);
  for (const folder of ['bin', 'dev', 'opt/app', 'proc', 'tmp', 'old', 'srv'])
    mkdirSync(join(layer, folder), { recursive: true });
  cpSync(BUSYBOX, join(layer, 'bin/busybox'));
  cpSync(BUSYBOX, join(layer, 'opt/app/busybox'));
  // Busybox opens it for programs in the background.
  writeFileSync(join(layer, 'dev/null'), '');
  return layer;
}

/** Mounts the overlay of a container. Gives the mount point. */
export function mountOverlay(host: Host, lower: readonly string[], name = 'container'): string {
  const folder = join(host.folder, name);
  for (const part of ['upper', 'work', 'rootfs']) mkdirSync(join(folder, part), { recursive: true });
  const layers = `lowerdir=${lower.join(':')},upperdir=${folder}/upper,workdir=${folder}/work`;
  host.run('mount -t overlay overlay -o "$1" "$2"', layers, `${folder}/rootfs`);
  return `${folder}/rootfs`;
}

/** A process tree in mount namespace and root of its own, started the way runc starts a container. */
export class Container {
  readonly host: Host;
  readonly init: number;

  private constructor(host: Host, init: number) {
    this.host = host;
    this.init = init;
  }

  /** `command` is what the first process does, in a shell of busybox; it is waited for until it runs `executable`. */
  static async start(
    host: Host,
    rootfs: string,
    command = 'exec /bin/busybox sleep 1000',
    executable = '/bin/busybox',
  ): Promise<Container> {
    const inside = `/bin/busybox umount -l /old; ${command}`;
    const script = `cd "$1"; mount -t proc proc proc; mount -t tmpfs tmpfs tmp
      pivot_root . old; exec bin/busybox chroot . /bin/busybox sh -c "$2"`;
    const enter = ['--mount', '--target', String(host.pid)];
    const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec'];
    const child = host.start('nsenter', [...enter, ...unshare, script, 'sh', rootfs, inside]);
    const container = new Container(host, child.pid!);
    await container.runs(container.init, executable);
    return container;
  }

  /** Runs a shell command in the container and waits for it. */
  run(script: string): string {
    const { status, stdout, stderr } = spawnSync('nsenter', [...this.#enter(), '/bin/busybox', 'sh', '-ec', script], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  }

  /** Starts a shell command in the container; gives its pid once it runs `executable`. */
  async start(script: string, executable: string): Promise<number> {
    const child = this.host.start('nsenter', [...this.#enter(), '/bin/busybox', 'sh', '-ec', script]);
    await this.runs(child.pid!, executable);
    return child.pid!;
  }

  /** Starts a program of the host that enters the container with `nsenter` at last. */
  async startFrom(command: string, args: readonly string[], executable: string): Promise<number> {
    const child = this.host.start(command, args);
    await this.runs(child.pid!, executable);
    return child.pid!;
  }

  async runs(pid: number, executable: string): Promise<void> {
    await eventually(() => readlinkSync(`/proc/${pid}/exe`).startsWith(executable));
  }

  #enter(): string[] {
    return ['--mount', '--root', '--target', String(this.init)];
  }
}

/** Waits until `condition` is true and does not throw; at most 10 s. */
export async function eventually(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  for (;;) {
    try {
      if (condition()) return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (Date.now() > end) throw new Error(`not within 10 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
