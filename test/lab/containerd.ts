// SPDX-License-Identifier: Apache-2.0
import { dirname, join } from 'node:path';
import { run } from './command.ts';
import { program } from './components.ts';
import { writeConfig } from './config-file.ts';
import type { Daemon } from './daemon.ts';
import { PAUSE_IMAGE } from './pause-image.ts';
import { registryHost } from './registry.ts';
import type { LabSettings, RuntimeChoice } from './settings.ts';

/** The programs of one container runtime. */
export interface RuntimePrograms {
  readonly containerd: string;
  readonly ctr: string;
  readonly shim: string;
  readonly runc: string;
}

/** Where the chosen runtime's programs are. */
export function runtimePrograms(settings: LabSettings, choice: RuntimeChoice): RuntimePrograms {
  if (choice === 'debian') {
    const bin = (name: string) => join('/usr/bin', name);
    return {
      containerd: bin('containerd'),
      ctr: bin('ctr'),
      shim: bin('containerd-shim-runc-v2'),
      runc: '/usr/sbin/runc',
    };
  }
  const built = (name: string) => program(settings, 'containerd', name);
  return {
    containerd: built('containerd'),
    ctr: built('ctr'),
    shim: built('containerd-shim-runc-v2'),
    runc: program(settings, 'runc'),
  };
}

/** containerd's socket, which is the CRI socket too. */
export function containerdSocket(settings: LabSettings): string {
  return join(settings.runDir, 'containerd.sock');
}

/** The socket for NRI plugins; an old containerd has none. */
export function nriSocket(settings: LabSettings, choice: RuntimeChoice): string | null {
  return choice === 'debian' ? null : join(settings.runDir, 'nri.sock');
}

/** Writes the configuration of containerd, of the pods' network and of the registry. Idempotent. */
export async function configureContainerd(settings: LabSettings, choice: RuntimeChoice): Promise<void> {
  const { dir } = settings;
  const host = registryHost(settings);
  await writeConfig(configFile(settings), choice === 'debian' ? oldConfig(settings) : currentConfig(settings));
  await writeConfig(join(dir, 'cni', '10-lab.conflist'), podNetwork(settings));
  await writeConfig(
    join(dir, 'certs.d', host, 'hosts.toml'),
    `server = "http://${host}"\n[host."http://${host}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
}

/** The daemon. Its shims are found beside it, and no program of the host is. */
export function containerdDaemon(settings: LabSettings, choice: RuntimeChoice): Daemon {
  const { containerd, shim, runc } = runtimePrograms(settings, choice);
  const path = [dirname(shim), dirname(runc), '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':');
  return { name: 'containerd', command: containerd, args: ['--config', configFile(settings)], env: { PATH: path } };
}

/** Imports an OCI or Docker archive for the kubelet. Throws CommandError with what ctr says. */
export async function importImage(settings: LabSettings, choice: RuntimeChoice, archive: string): Promise<string> {
  const { ctr } = runtimePrograms(settings, choice);
  return run(ctr, ['--address', containerdSocket(settings), '--namespace', 'k8s.io', 'images', 'import', archive]);
}

/** Name of the pods' network; labs beside each other have different ones. */
export function podNetworkName({ cgroup }: LabSettings): string {
  return cgroup.slice(1).replaceAll('/', '-');
}

function configFile({ dir }: LabSettings): string {
  return join(dir, 'containerd.toml');
}

/** Every pod has a routed link of its own: no bridge, so Services work without bridge netfilter. */
function podNetwork(settings: LabSettings): object {
  const { runDir, addresses } = settings;
  const ipam = {
    type: 'host-local',
    dataDir: join(runDir, 'ipam'),
    ranges: [[{ subnet: addresses.pods }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  return { cniVersion: '1.0.0', name: podNetworkName(settings), plugins: [{ type: 'ptp', ipMasq: false, ipam }] };
}

const COMMENT = '# Written by the lab at each start.\n';

/** restrict_oom_score_adj: root in a small virtual machine may lack CAP_SYS_RESOURCE, and runc would fail without a clue. */
function currentConfig(settings: LabSettings): string {
  const { dir, runDir } = settings;
  return `${COMMENT}version = 3
root = "${dir}/containerd"
state = "${runDir}/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${containerdSocket(settings)}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "${dir}/cni"
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "${program(settings, 'runc')}"
      Root = "${runDir}/runc"
      SystemdCgroup = false
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "${dir}/certs.d"
[plugins."io.containerd.nri.v1.nri"]
  disable = false
  socket_path = "${nriSocket(settings, 'current') ?? ''}"
  plugin_path = "${dir}/nri/plugins"
  plugin_config_path = "${dir}/nri/conf.d"
  [plugins."io.containerd.nri.v1.nri".default_validator]
    enable = true
`;
}

function oldConfig(settings: LabSettings): string {
  const { dir, runDir } = settings;
  return `${COMMENT}version = 2
root = "${dir}/containerd"
state = "${runDir}/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "${containerdSocket(settings)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/usr/sbin/runc"
      Root = "${runDir}/runc"
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${dir}/certs.d"
`;
}
