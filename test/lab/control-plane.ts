// SPDX-License-Identifier: Apache-2.0
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './components.ts';
import type { Daemon } from './daemon.ts';
import { kubeconfigFile } from './pki.ts';
import { API_PORT, type LabSettings } from './settings.ts';

const KINE_ADDRESS = '127.0.0.1:2379';

/** What Keystead's identities need beyond the defaults; kubelet, API server and controller manager must agree. */
export const FEATURE_GATES = {
  ClusterTrustBundle: true,
  ClusterTrustBundleProjection: true,
  PodCertificateRequest: true,
} as const;

/** The data store, as in k3s: kine speaks etcd to the API server and keeps everything in one sqlite file. */
export async function kineDaemon(settings: LabSettings): Promise<Daemon> {
  const dir = join(settings.dir, 'kine');
  await mkdir(dir, { recursive: true });
  const options = '_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate';
  return {
    name: 'kine',
    command: program(settings, 'kine'),
    args: [
      '--endpoint',
      `sqlite://${dir}/state.db?${options}`,
      '--listen-address',
      `tcp://${KINE_ADDRESS}`,
      '--metrics-bind-address',
      '0',
    ],
  };
}

/** The API server, with RBAC, the node authorizer and NodeRestriction, and the beta signers switched on. */
export function apiServerDaemon(settings: LabSettings): Daemon {
  const { addresses } = settings;
  const pki = (file: string) => join(settings.dir, 'pki', file);
  return {
    name: 'kube-apiserver',
    command: program(settings, 'kube-apiserver'),
    args: flags({
      'advertise-address': addresses.controlPlane,
      'allow-privileged': 'true',
      'authorization-mode': 'Node,RBAC',
      'client-ca-file': pki('ca.crt'),
      'enable-admission-plugins': 'NodeRestriction',
      'etcd-servers': `http://${KINE_ADDRESS}`,
      'feature-gates': gateFlag(),
      'kubelet-certificate-authority': pki('ca.crt'),
      'kubelet-client-certificate': pki('apiserver-kubelet-client.crt'),
      'kubelet-client-key': pki('apiserver-kubelet-client.key'),
      'kubelet-preferred-address-types': 'InternalIP',
      'runtime-config': 'certificates.k8s.io/v1beta1=true',
      'secure-port': String(API_PORT),
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': pki('sa.pub'),
      'service-account-signing-key-file': pki('sa.key'),
      'service-cluster-ip-range': addresses.services,
      'tls-cert-file': pki('apiserver.crt'),
      'tls-private-key-file': pki('apiserver.key'),
    }),
  };
}

/** The default of 20 requests a second would make the controller manager's start the longest part of `up`. */
const CLIENT_RATE = { 'kube-api-qps': '500', 'kube-api-burst': '1000' } as const;

/** Where volume plugins in the style before CSI would lie; its own, as the default is a folder of the host. */
export function volumePluginDir({ dir }: LabSettings): string {
  return join(dir, 'volume-plugins');
}

/** Leader election is off: with one instance it would only end the process when the API server is away for a while. */
export function controllerManagerDaemon(settings: LabSettings): Daemon {
  const pki = (file: string) => join(settings.dir, 'pki', file);
  return {
    name: 'kube-controller-manager',
    command: program(settings, 'kube-controller-manager'),
    args: flags({
      'bind-address': '127.0.0.1',
      'cluster-signing-cert-file': pki('ca.crt'),
      'cluster-signing-key-file': pki('ca.key'),
      'feature-gates': gateFlag(),
      'flex-volume-plugin-dir': volumePluginDir(settings),
      ...CLIENT_RATE,
      kubeconfig: kubeconfigFile(settings, 'kube-controller-manager'),
      'leader-elect': 'false',
      'root-ca-file': pki('ca.crt'),
      'service-account-private-key-file': pki('sa.key'),
      'use-service-account-credentials': 'true',
    }),
  };
}

export function schedulerDaemon(settings: LabSettings): Daemon {
  return {
    name: 'kube-scheduler',
    command: program(settings, 'kube-scheduler'),
    args: flags({
      'bind-address': '127.0.0.1',
      ...CLIENT_RATE,
      kubeconfig: kubeconfigFile(settings, 'kube-scheduler'),
      'leader-elect': 'false',
    }),
  };
}

function gateFlag(): string {
  return Object.entries(FEATURE_GATES)
    .map(([name, on]) => `${name}=${on}`)
    .join(',');
}

function flags(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}
