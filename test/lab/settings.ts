// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { LabError } from './lab-error.ts';

/** Which container runtime the node runs: the current one, built from Go modules, or Debian's old one. */
export type RuntimeChoice = 'current' | 'debian';

/** Where a lab lives and which addresses it has. All paths are absolute. */
export interface LabSettings {
  /** Name of the node as the cluster knows it. */
  readonly nodeName: string;
  /** State of this lab; `down` removes it. */
  readonly dir: string;
  /** Sockets, containerd's state, the network namespace: a tmpfs inside `dir`, gone after a reboot like /run. */
  readonly runDir: string;
  /** Built programs, one folder for each name and version; shared by all labs and never removed. */
  readonly cacheDir: string;
  /** Parent cgroup of all pods, so that no other kubelet's pods are touched. Starts with a slash. */
  readonly cgroup: string;
  /** The network namespace that every process of the lab runs in, as a file. */
  readonly netns: string;
  /** Name of the one interface that the lab adds to the host. */
  readonly hostInterface: string;
  readonly addresses: LabAddresses;
}

/** The lab's IPv4 plan, all within one /16 of the host's choice. */
export interface LabAddresses {
  readonly subnet: string;
  /** The host as pods see it. */
  readonly host: string;
  /** The first node: API server, registry, DNS. */
  readonly controlPlane: string;
  /** This node. */
  readonly node: string;
  /** This node's pods. */
  readonly pods: string;
  readonly services: string;
  /** ClusterIP of the API server. */
  readonly apiService: string;
}

export const NODE_NAME = 'keystead-lab';
export const SECOND_NODE_NAME = `${NODE_NAME}-2`;
export const API_PORT = 6443;
export const REGISTRY_PORT = 5000;

const DEFAULT_DIR = '/var/lib/keystead-lab';
/** A unix socket path has 107 bytes; the longest below the folder (a CSI driver's in the kubelet's plugins) takes 60. */
const LONGEST_DIR = 45;

/** The same lab as its second node sees it: that has the same paths, in a mount namespace of its own. */
export function secondNode(settings: LabSettings): LabSettings {
  const { subnet, controlPlane, services, apiService } = settings.addresses;
  return {
    ...settings,
    nodeName: SECOND_NODE_NAME,
    cgroup: `${settings.cgroup}/${SECOND_NODE_NAME}`,
    hostInterface: 'second',
    addresses: {
      ...{ subnet, controlPlane, services, apiService },
      host: `${subnet}.0.5`,
      node: `${subnet}.0.6`,
      pods: `${subnet}.192.0/18`,
    },
  };
}

/** Settings from `KEYSTEAD_LAB_DIR`, `KEYSTEAD_LAB_SUBNET` and `XDG_CACHE_HOME`. Throws LabError for values that cannot work. */
export function labSettings(env: NodeJS.ProcessEnv = process.env): LabSettings {
  const dir = withoutLinks(resolve(env['KEYSTEAD_LAB_DIR'] ?? DEFAULT_DIR));
  if (Buffer.byteLength(dir) > LONGEST_DIR || dir === '/' || /[\s"':,]/.test(dir)) {
    throw new LabError(
      `KEYSTEAD_LAB_DIR=${dir} cannot hold a lab`,
      `Choose a folder of its own with a path of at most ${LONGEST_DIR} bytes (unix sockets below it), without blanks, quotes, colons or commas.`,
    );
  }
  const cacheHome = env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const addresses = addressPlan(env['KEYSTEAD_LAB_SUBNET'] ?? '10.231');
  const suffix = dir === DEFAULT_DIR ? '' : `-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}`;
  const runDir = join(dir, 'run');
  return {
    nodeName: NODE_NAME,
    dir,
    runDir,
    cacheDir: join(cacheHome, 'keystead', 'lab'),
    cgroup: `/keystead-lab${suffix}`,
    netns: join(runDir, 'netns'),
    hostInterface: `kslab${addresses.subnet.replace('.', '-')}`,
    addresses,
  };
}

/** The kernel's mount table has no symbolic links in its paths, so ours may not either. */
function withoutLinks(dir: string): string {
  try {
    return join(realpathSync(dirname(dir)), basename(dir));
  } catch {
    return dir;
  }
}

function addressPlan(subnet: string): LabAddresses {
  const match = /^(\d{1,3})\.(\d{1,3})$/.exec(subnet);
  if (!match || Number(match[1]) > 223 || Number(match[2]) > 255) {
    throw new LabError(
      `KEYSTEAD_LAB_SUBNET=${subnet} is not the first half of an IPv4 address`,
      'Give the two numbers of a free /16, for example KEYSTEAD_LAB_SUBNET=10.231.',
    );
  }
  return {
    subnet,
    host: `${subnet}.0.1`,
    controlPlane: `${subnet}.0.2`,
    node: `${subnet}.0.2`,
    pods: `${subnet}.64.0/18`,
    services: `${subnet}.128.0/18`,
    apiService: `${subnet}.128.1`,
  };
}
