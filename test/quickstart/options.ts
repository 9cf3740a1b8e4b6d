// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { QuickstartError } from './quickstart-error.ts';

export const USAGE = `From a clone to attested modules on a real node.

  npm run quickstart                              on a lab that is brought up on this machine (needs root)
  npm run quickstart -- --use-cluster [options]   on the cluster that KUBECONFIG names, for example your k3s
  npm run quickstart -- --down [--use-cluster]    removes all of it again

Options with --use-cluster (the node's paths; the defaults are those of a plain containerd node):
  --registry HOST:PORT      push the images there (plain HTTP) and let the nodes pull them from there;
                            without it they are written to out/images.tar, to be imported on each node
  --imported                the images of out/images.tar have been imported
  --kubelet-root PATH       default /var/lib/kubelet
  --runtime-socket PATH     default /run/containerd/containerd.sock; k3s: /run/k3s/containerd/containerd.sock
  --runtime-root PATH       default /var/lib/containerd; k3s: /var/lib/rancher/k3s/agent/containerd
  --nri-socket PATH         default /var/run/nri/nri.sock; empty: none`;

/** What the user asked for. */
export interface Options {
  readonly help: boolean;
  readonly down: boolean;
  /** Undefined: the lab. */
  readonly cluster?: ClusterOptions;
}

export interface ClusterOptions {
  readonly registry?: string;
  readonly imported: boolean;
  readonly kubeletRoot: string;
  readonly runtimeSocket: string;
  readonly runtimeRoot: string;
  readonly nriSocket: string;
}

/** Reads the command line. Throws QuickstartError for what makes no sense. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      down: { type: 'boolean', default: false },
      'use-cluster': { type: 'boolean', default: false },
      registry: { type: 'string' },
      imported: { type: 'boolean', default: false },
      'kubelet-root': { type: 'string', default: '/var/lib/kubelet' },
      'runtime-socket': { type: 'string', default: '/run/containerd/containerd.sock' },
      'runtime-root': { type: 'string', default: '/var/lib/containerd' },
      'nri-socket': { type: 'string', default: '/var/run/nri/nri.sock' },
    },
  });
  if (!values['use-cluster'] && (values.registry !== undefined || values.imported)) {
    throw new QuickstartError('--registry and --imported go with --use-cluster; the lab has a registry of its own');
  }
  const cluster: ClusterOptions = {
    ...(values.registry !== undefined && { registry: values.registry }),
    imported: values.imported,
    kubeletRoot: values['kubelet-root'],
    runtimeSocket: values['runtime-socket'],
    runtimeRoot: values['runtime-root'],
    nriSocket: values['nri-socket'],
  };
  return { help: values.help, down: values.down, ...(values['use-cluster'] && { cluster }) };
}
