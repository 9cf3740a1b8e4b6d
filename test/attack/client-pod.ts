// SPDX-License-Identifier: Apache-2.0
import type { Scene } from '../e2e/harness.ts';

/** Which program runs where, and its environment. */
export interface Client {
  readonly image: string;
  /** Straight onto that node: nobody schedules it. */
  readonly node: string;
  readonly [variable: string]: string;
}

const MOUNTS = [
  { name: 'identity', mountPath: '/var/run/keystead', readOnly: true },
  { name: 'data', mountPath: '/data' },
];
const VOLUMES = [
  { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } },
  { name: 'data', emptyDir: {} },
];

/** A pod of a Go program that calls the Workload API, with a folder /data in which a test leaves things. */
export function clientPod(scene: Scene, name: string, app: string, { image, node, ...variables }: Client): object {
  const env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///var/run/keystead/spiffe.sock', ...variables };
  const container = { env: Object.entries(env).map(([key, value]) => ({ name: key, value })), volumeMounts: MOUNTS };
  const spec = { volumes: VOLUMES, nodeName: node };
  return scene.pod(name, { app }, { image, command: ['/client'], container, spec });
}
