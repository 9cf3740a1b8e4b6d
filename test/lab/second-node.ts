// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupLayout, makeCgroup } from './cgroups.ts';
import { run, succeeds } from './command.ts';
import { configureContainerd } from './containerd.ts';
import { runningDaemon, startDaemon, type Daemon } from './daemon.ts';
import { LabError } from './lab-error.ts';
import { mountLab } from './mounts.ts';
import { startKubelet, startRuntime } from './node-start.ts';
import { configureNode, proxyDaemon } from './node.ts';
import { copyPkiForSecondNode } from './pki.ts';
import type { Progress } from './progress.ts';
import { secondNode, type LabSettings, type RuntimeChoice } from './settings.ts';
import { waitFor } from './wait.ts';

/**
 * The second node: a kubelet, containerd and kube-proxy in network, mount and process namespaces of their own, below this
 * process. In there it has the paths of the first node, as machines of one fleet do, so that one chart fits both; from
 * outside they lie in a folder of the lab. It has no key of the control plane.
 */
export const SECOND_NODE_DAEMON = 'second-node';

/** The second node as seen from outside. */
export function secondNodeOutside(settings: LabSettings): LabSettings {
  return { ...secondNode(settings), dir: join(settings.dir, 'second'), netns: join(settings.runDir, 'second-netns') };
}

/** Process 1 of the second node by its number outside; undefined where there is none. */
export async function secondNodeInit(settings: LabSettings): Promise<number | undefined> {
  const ref = await runningDaemon(secondNodeOutside(settings), SECOND_NODE_DAEMON);
  if (!ref) return undefined;
  const children = await readFile(`/proc/${ref.pid}/task/${ref.pid}/children`, 'utf8').catch(() => '');
  return parseInt(children, 10) || undefined;
}

export async function hasSecondNode(settings: LabSettings): Promise<boolean> {
  return access(secondNodeOutside(settings).dir).then(
    () => true,
    () => false,
  );
}

/** Brings the second node up, or what of it is missing. The first one must be up. */
export async function bringUpSecondNode(settings: LabSettings, choice: RuntimeChoice, cli: string): Promise<void> {
  const home = secondNodeOutside(settings).dir;
  await mkdir(home, { recursive: true });
  await copyPkiForSecondNode(settings, join(home, 'pki'));
  await connect(settings);
  await startDaemon(secondNodeOutside(settings), initOf(settings, home));
  await waitFor(secondNodeOutside(settings), {
    what: 'second node that has its folders',
    daemons: [SECOND_NODE_DAEMON],
    check: async () => existsSync(join(`/proc/${await secondNodeInit(settings)}/root`, settings.dir, 'is-second-node')),
    timeoutMs: 10_000,
  });
  const enter = ['--target', String(await secondNodeInit(settings)), '--net', '--mount', '--pid', '--'];
  const child = spawn('nsenter', [...enter, process.execPath, cli, 'join', '--containerd', choice], {
    stdio: 'inherit',
    cwd: '/',
  });
  const code = await new Promise<number | null>((done, failed) => child.once('error', failed).once('close', done));
  if (code !== 0)
    throw new LabError('the second node did not come up', 'What it said stands above; run the same again.');
}

/** Puts the second node's folder in the place of the lab's, and then reaps orphans like any process 1. */
function initOf({ dir }: LabSettings, home: string): Daemon {
  const script = [
    'mount -t tmpfs keystead-lab /mnt',
    'mkdir /mnt/home',
    `mount --bind ${home} /mnt/home`,
    `while mountpoint -q ${dir}; do umount -R -l ${dir}; done`,
    `mount --bind /mnt/home ${dir}`,
    'umount -R -l /mnt',
    `touch ${dir}/is-second-node`,
    'while :; do sleep 2147483647 & wait; done',
  ].join('\n');
  const own = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  return { name: SECOND_NODE_DAEMON, command: 'unshare', args: [...own, 'sh', '-ec', script] };
}

/** A link from the first node's network to the second's, which has no other. */
async function connect(settings: LabSettings): Promise<void> {
  const { addresses, hostInterface } = secondNode(settings);
  const net = secondNodeOutside(settings).netns;
  if (!(await succeeds('nsenter', [`--net=${net}`, '--', 'true']))) {
    await writeFile(net, '');
    await run('unshare', [`--net=${net}`, '--', 'true']);
  }
  const first = (script: string) => run('nsenter', [`--net=${settings.netns}`, '--', 'sh', '-ec', script]);
  await first(
    [
      `ip link show dev ${hostInterface} >/dev/null 2>&1 || ip link add ${hostInterface} type veth peer name eth0 netns ${net}`,
      `ip address replace ${addresses.host}/30 dev ${hostInterface}`,
      `ip link set ${hostInterface} up`,
    ].join('\n'),
  );
  const second = [
    'ip link set lo up',
    `ip address replace ${addresses.node}/30 dev eth0`,
    'ip link set eth0 up',
    `ip route replace default via ${addresses.host}`,
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
  ].join('\n');
  await run('nsenter', [`--net=${net}`, '--', 'sh', '-ec', second]);
  await first(`ip route replace ${addresses.pods} via ${addresses.node} dev ${hostInterface}`);
}

/** Runs inside the second node's namespaces: starts what of it does not run. */
export async function joinAsSecondNode(lab: LabSettings, choice: RuntimeChoice, progress: Progress): Promise<void> {
  const settings = secondNode(lab);
  await mkdir(settings.runDir, { recursive: true });
  await mountLab(settings);
  if (!(await succeeds('nsenter', [`--net=${settings.netns}`, '--', 'true']))) {
    await writeFile(settings.netns, '');
    await run('mount', ['--bind', '/proc/self/ns/net', settings.netns]);
  }
  await makeCgroup(await cgroupLayout(), settings.cgroup);
  await configureContainerd(settings, choice);
  await configureNode(settings);
  await startRuntime(settings, choice, progress);
  await startDaemon(settings, proxyDaemon(settings));
  await startKubelet(settings, []);
  progress.say(`node ${settings.nodeName} is Ready`);
}
