// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The programs of one containerd. */
export interface ContainerdPrograms {
  /** Folder of containerd, ctr and the shim. */
  readonly folder: string;
  readonly runc: string;
}

/**
 * A containerd of its own, to be killed and started again: own root, state and sockets, no network for pods, gone at the
 * end. The CRI is on, since it is what starts NRI.
 */
export class PrivateContainerd implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'keystead-containerd-'));
  readonly socket = join(this.folder, 'containerd.sock');
  readonly nriSocket = join(this.folder, 'nri.sock');
  readonly #programs: ContainerdPrograms;
  readonly #containers = new Set<string>();
  #process: ChildProcess | undefined;

  constructor(programs: ContainerdPrograms) {
    this.#programs = programs;
    mkdirSync(join(this.folder, 'rootfs/bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(this.folder, 'rootfs/bin/busybox'));
    writeFileSync(join(this.folder, 'config.toml'), this.#config());
  }

  #config(): string {
    return `version = 2
root = "${this.folder}/root"
state = "${this.folder}/state"
[grpc]
  address = "${this.socket}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${this.folder}/cni/bin"
  conf_dir = "${this.folder}/cni/conf"
[plugins."io.containerd.nri.v1.nri"]
  socket_path = "${this.nriSocket}"
`;
  }

  async start(): Promise<void> {
    const log = openSync(join(this.folder, 'log'), 'a');
    this.#process = spawn(join(this.#programs.folder, 'containerd'), ['--config', join(this.folder, 'config.toml')], {
      stdio: ['ignore', log, log],
      env: { ...process.env, PATH: `${this.#programs.folder}:${process.env['PATH'] ?? ''}` },
    });
    const until = performance.now() + 15_000;
    while (!(await this.#answers())) {
      if (performance.now() > until) throw new Error(`containerd does not answer: ${this.folder}/log`);
      await sleep(20);
    }
  }

  async #answers(): Promise<boolean> {
    return (
      existsSync(this.socket) &&
      (await this.ctr('version').then(
        () => true,
        () => false,
      ))
    );
  }

  /** Ends it with SIGKILL, as a crash would; containers live on in their shims. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async ctr(...args: string[]): Promise<string> {
    const to = ['--address', this.socket, '--namespace', 'k8s.io'];
    return (await run(join(this.#programs.folder, 'ctr'), [...to, ...args])).stdout;
  }

  /** Starts a container with a shell command of busybox. */
  async run(id: string, command: string): Promise<void> {
    this.#containers.add(id);
    const options = ['run', '--detach', '--runc-binary', this.#programs.runc, '--rootfs', join(this.folder, 'rootfs')];
    await this.ctr(...options, id, '/bin/busybox', 'sh', '-c', command);
  }

  async remove(id: string): Promise<void> {
    this.#containers.delete(id);
    await this.ctr('tasks', 'rm', '--force', id).catch(() => undefined);
    await this.ctr('containers', 'rm', id).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process?.exitCode !== null || this.#process.signalCode !== null) await this.start();
    for (const id of this.#containers) await this.remove(id);
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
