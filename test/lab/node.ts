// SPDX-License-Identifier: Apache-2.0
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './components.ts';
import { writeConfig } from './config-file.ts';
import { containerdSocket } from './containerd.ts';
import { FEATURE_GATES, volumePluginDir } from './control-plane.ts';
import type { Daemon } from './daemon.ts';
import { kubeconfigFile } from './pki.ts';
import type { LabSettings } from './settings.ts';

/** The kubelet's folder: pods, volumes, plugins. */
export function kubeletRoot(settings: LabSettings): string {
  return join(settings.dir, 'kubelet');
}

/** Manifests of pods that the kubelet runs by itself. */
function staticPods({ dir }: LabSettings): string {
  return join(dir, 'static-pods');
}

/** Writes the configuration of kubelet and kube-proxy. Idempotent. */
export async function configureNode(settings: LabSettings): Promise<void> {
  await mkdir(kubeletRoot(settings), { recursive: true, mode: 0o750 });
  await mkdir(join(settings.dir, 'pod-logs'), { recursive: true });
  await mkdir(staticPods(settings), { recursive: true });
  await writeConfig(join(settings.runDir, 'resolv.conf'), `nameserver ${settings.addresses.controlPlane}\n`);
  await writeConfig(kubeletConfigFile(settings), kubeletConfig(settings));
  await writeConfig(proxyConfigFile(settings), proxyConfig(settings));
}

export function kubeletDaemon(settings: LabSettings): Daemon {
  return {
    name: 'kubelet',
    command: program(settings, 'kubelet'),
    args: [
      `--config=${kubeletConfigFile(settings)}`,
      `--kubeconfig=${kubeconfigFile(settings, 'kubelet')}`,
      `--root-dir=${kubeletRoot(settings)}`,
      `--cert-dir=${join(kubeletRoot(settings), 'pki')}`,
      `--hostname-override=${settings.nodeName}`,
      `--node-ip=${settings.addresses.node}`,
    ],
  };
}

/** Names of Services for pods and host, at the node's address. */
export async function dnsDaemon(settings: LabSettings): Promise<Daemon> {
  const file = join(settings.dir, 'Corefile');
  const kubernetes = `kubernetes cluster.local in-addr.arpa {\n    kubeconfig ${kubeconfigFile(settings, 'coredns')}\n  }`;
  await writeConfig(file, `.:53 {\n  bind ${settings.addresses.node}\n  errors\n  cache 5\n  ${kubernetes}\n}\n`);
  return { name: 'coredns', command: program(settings, 'coredns'), args: ['-conf', file] };
}

/** Makes Services reachable, in nftables tables of the lab's own network namespace. */
export function proxyDaemon(settings: LabSettings): Daemon {
  return {
    name: 'kube-proxy',
    command: program(settings, 'kube-proxy'),
    args: [`--config=${proxyConfigFile(settings)}`],
  };
}

function kubeletConfig(settings: LabSettings): object {
  const pki = (file: string) => join(settings.dir, 'pki', file);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: settings.addresses.node,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pki('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki('kubelet-server.crt'),
    tlsPrivateKeyFile: pki('kubelet-server.key'),
    containerRuntimeEndpoint: `unix://${containerdSocket(settings)}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: settings.cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    featureGates: FEATURE_GATES,
    clusterDNS: [settings.addresses.controlPlane],
    clusterDomain: 'cluster.local',
    resolvConf: join(settings.runDir, 'resolv.conf'),
    staticPodPath: staticPods(settings),
    fileCheckFrequency: '1s',
    podLogsDir: join(settings.dir, 'pod-logs'),
    volumePluginDir: volumePluginDir(settings),
    maxPods: 250,
    // Tests that kill things would wait for minutes by the default of 300 s.
    crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
    serializeImagePulls: false,
    kubeAPIQPS: 500,
    kubeAPIBurst: 1000,
    // Full disks and images that are not in use are no concern of a machine for tests.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    // Below zero takes CAP_SYS_RESOURCE, which root in a small virtual machine may lack.
    oomScoreAdj: 0,
  };
}

function proxyConfig(settings: LabSettings): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: kubeconfigFile(settings, 'kube-proxy') },
    clusterCIDR: settings.addresses.pods,
    detectLocalMode: 'ClusterCIDR',
    hostnameOverride: settings.nodeName,
    // Zero leaves the connection table as it is; its limits belong to the host.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    oomScoreAdj: 0,
  };
}

function kubeletConfigFile({ dir }: LabSettings): string {
  return join(dir, 'kubelet.json');
}

function proxyConfigFile({ dir }: LabSettings): string {
  return join(dir, 'kube-proxy.json');
}
