// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../quickstart/kubectl.ts';
import { systemdHierarchies } from './host-service.ts';

const execute = promisify(execFile);
const PROGRAM = '/usr/lib/systemd/systemd';
const UNIFIED = '/sys/fs/cgroup';

/**
 * A real systemd as the first process of namespaces of its own, below a slice, so that its units have the paths that it gives
 * them. It runs the units that are written into its folder and no others, and sees what is mounted on the machine.
 */
export class Systemd implements AsyncDisposable {
  readonly #folder: string;
  readonly #groups: readonly string[];
  readonly #process: ChildProcess;

  private constructor(folder: string, groups: readonly string[], process: ChildProcess) {
    this.#folder = folder;
    this.#groups = groups;
    this.#process = process;
  }

  /** Whether this machine has the program. */
  static isInstalled(): boolean {
    return existsSync(PROGRAM);
  }

  /** `user` is a name that units may use for these ids. Resolves once it runs. */
  static async boot(user: { readonly name: string; readonly id: number }): Promise<Systemd> {
    const folder = mkdtempSync(join(tmpdir(), 'keystead-systemd-'));
    const hierarchies = systemdHierarchies();
    const slice = `keystead-${randomBytes(4).toString('hex')}.slice`;
    const groups = hierarchies.map((hierarchy) => join(hierarchy, slice));
    for (const group of groups) mkdirSync(group);
    writeFileSync(join(folder, 'keystead.target'), '[Unit]\nDefaultDependencies=no\n');
    const { name, id } = user;
    writeFileSync(
      join(folder, 'passwd'),
      `${readFileSync('/etc/passwd', 'utf8')}${name}:x:${id}:${id}::/:/bin/false\n`,
    );
    writeFileSync(join(folder, 'group'), `${readFileSync('/etc/group', 'utf8')}${name}:x:${id}:\n`);
    writeFileSync(join(folder, 'boot.sh'), script(folder, groups, hierarchies));
    const process = spawn('/bin/sh', ['-e', join(folder, 'boot.sh')], { stdio: ['ignore', 'ignore', 'inherit'] });
    const systemd = new Systemd(folder, groups, process);
    await until('systemd', 20, () =>
      systemd.systemctl('is-system-running').then(
        () => ({ running: true }),
        (error: unknown) => String(error),
      ),
    );
    return systemd;
  }

  /** Writes a service, `settings` being the lines of its section Service, and starts it. */
  async start(unit: string, settings: readonly string[]): Promise<void> {
    const lines = ['[Unit]', 'DefaultDependencies=no', '[Service]', ...settings];
    writeFileSync(join(this.#folder, unit), `${lines.join('\n')}\n`);
    await this.systemctl('daemon-reload');
    await this.systemctl('start', unit);
  }

  async systemctl(...args: readonly string[]): Promise<string> {
    const [first] = processesIn(join(this.#groups[0]!, 'init.scope'));
    if (first === undefined) throw new Error('systemd has not started yet');
    return (await execute('nsenter', ['-t', first, '-m', '-p', '-C', 'systemctl', ...args])).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    for (const group of this.#groups) {
      await until(`the end of all processes in ${group}`, 20, () => {
        const left = allGroups(group).flatMap(processesIn);
        return Promise.resolve(left.length === 0 ? { left } : left.join(' '));
      });
      for (const each of allGroups(group)) rmdirSync(each);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Puts itself into the slice, and systemd into namespaces in which the slice is the root of all cgroups. */
function script(folder: string, groups: readonly string[], hierarchies: readonly string[]): string {
  const mounts = hierarchies.includes(UNIFIED)
    ? [`mount -t cgroup2 cgroup2 ${UNIFIED}`]
    : [
        `mount -t tmpfs tmpfs ${UNIFIED}`,
        ...hierarchies.map((path) => `mkdir ${path}`),
        ...hierarchies.map((path) =>
          path.endsWith('/unified')
            ? `mount -t cgroup2 cgroup2 ${path}`
            : `mount -t cgroup -o none,name=systemd cgroup ${path}`,
        ),
      ];
  const inside = [
    'mount -t proc proc /proc',
    'mount -t tmpfs tmpfs /run',
    ...mounts,
    ...['passwd', 'group'].map((file) => `mount --bind ${join(folder, file)} /etc/${file}`),
    `exec env -i container=keystead SYSTEMD_UNIT_PATH=${folder} ${PROGRAM} --system --unit=keystead.target --log-target=null`,
  ];
  return [
    ...groups.map((group) => `echo $$ > ${join(group, 'cgroup.procs')}`),
    'exec unshare --pid --fork --kill-child --mount --propagation slave --cgroup --uts --ipc \\',
    `  sh -e -c '${inside.join('; ')}'`,
    '',
  ].join('\n');
}

/** The group and those below it, each after those that lie in it. */
function allGroups(group: string): string[] {
  const inner = readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...inner.flatMap(({ name }) => allGroups(join(group, name))), group];
}

function processesIn(group: string): string[] {
  const file = join(group, 'cgroup.procs');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}
