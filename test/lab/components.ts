// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { LabSettings } from './settings.ts';
import { VERSIONS } from './versions.ts';

/** One thing that is built from a Go module into one cache folder. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** Folder below `go/`, with go.mod and go.sum. */
  readonly module: string;
  /** What go.mod must require at `version`. */
  readonly source: string;
  readonly packages: readonly string[];
  readonly cgo: boolean;
  readonly tags: readonly string[];
  /** Values for `-ldflags -X`. */
  readonly stamps: Readonly<Record<string, string>>;
  /** Minutes on two cores with empty Go caches, given those before it in the table. */
  readonly minutes: number;
}

const [major = '', minor = ''] = VERSIONS.kubernetes.split('.');
const kubernetesStamps = Object.fromEntries(
  ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) => [
    [`${path}.gitVersion`, `v${VERSIONS.kubernetes}`],
    [`${path}.gitMajor`, major],
    [`${path}.gitMinor`, minor],
    [`${path}.gitTreeState`, 'clean'],
  ]),
);

function kubernetes(name: string, minutes: number): Component {
  return {
    name,
    version: VERSIONS.kubernetes,
    module: 'kubernetes',
    source: 'k8s.io/kubernetes',
    packages: [`k8s.io/kubernetes/cmd/${name}`],
    cgo: false,
    tags: [],
    stamps: kubernetesStamps,
    minutes,
  };
}

const CONTAINERD = 'github.com/containerd/containerd/v2';

/** What is built, in this order: the largest first, since the others share its compiled packages. */
export const COMPONENTS: readonly Component[] = [
  kubernetes('kube-apiserver', 5.5),
  kubernetes('kubelet', 1),
  kubernetes('kube-controller-manager', 0.6),
  kubernetes('kube-scheduler', 0.2),
  kubernetes('kube-proxy', 0.2),
  kubernetes('kubectl', 0.5),
  {
    name: 'containerd',
    version: VERSIONS.containerd,
    module: 'containerd',
    source: CONTAINERD,
    packages: ['containerd', 'containerd-shim-runc-v2', 'ctr'].map((program) => `${CONTAINERD}/cmd/${program}`),
    cgo: false,
    tags: ['no_btrfs', 'no_devmapper', 'no_zfs'],
    stamps: { [`${CONTAINERD}/version.Version`]: `v${VERSIONS.containerd}` },
    minutes: 1.3,
  },
  {
    name: 'runc',
    version: VERSIONS.runc,
    module: 'runc',
    source: 'github.com/opencontainers/runc',
    packages: ['github.com/opencontainers/runc'],
    cgo: true,
    tags: ['seccomp'],
    stamps: {},
    minutes: 0.3,
  },
  {
    name: 'kine',
    version: VERSIONS.kine,
    module: 'kine',
    source: 'github.com/k3s-io/kine',
    packages: ['github.com/k3s-io/kine'],
    cgo: true,
    tags: [],
    stamps: { 'github.com/k3s-io/kine/pkg/version.Version': `v${VERSIONS.kine}` },
    minutes: 2,
  },
  {
    name: 'coredns',
    version: VERSIONS.coredns,
    module: 'coredns',
    source: 'github.com/coredns/coredns',
    packages: ['.'],
    cgo: false,
    tags: [],
    stamps: {},
    minutes: 1.8,
  },
  {
    name: 'helm',
    version: VERSIONS.helm,
    module: 'helm',
    source: 'helm.sh/helm/v4',
    packages: ['helm.sh/helm/v4/cmd/helm'],
    cgo: false,
    tags: [],
    stamps: { 'helm.sh/helm/v4/internal/version.version': `v${VERSIONS.helm}` },
    minutes: 1,
  },
];

/** The cache folder of a component. */
export function componentDir(settings: LabSettings, component: Pick<Component, 'name' | 'version'>): string {
  return join(settings.cacheDir, `${component.name}-${component.version}`);
}

/** The path of a built program, for example `program(settings, 'containerd', 'ctr')`. Says nothing about its existence. */
export function program(settings: LabSettings, component: string, file: string = component): string {
  const found = COMPONENTS.find(({ name }) => name === component);
  if (!found) throw new Error(`the lab builds no component ${component}`);
  return join(componentDir(settings, found), file);
}
