// SPDX-License-Identifier: Apache-2.0
import { RELEASE, SYSTEM_NAMESPACE } from './install.ts';
import type { KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import type { Target } from './target.ts';

interface Pod extends KubeObject {
  readonly spec: { readonly nodeName?: string };
}

/**
 * Runs in the agent's container: prints the public files of a pod's identity volume and the names of all. Names alone of
 * what is private: the key stays where it is.
 */
const READER = `
const { readdirSync, readFileSync } = require('node:fs');
const volumes = process.env.KEYSTEAD_KUBELET_ROOT + '/pods/' + process.argv[1] + '/volumes/kubernetes.io~csi';
const files = {};
for (const volume of readdirSync(volumes)) {
  const mount = volumes + '/' + volume + '/mount/';
  for (const name of readdirSync(mount)) {
    if (!name.startsWith('..')) files[name] = /\\.(crt|pem)$/.test(name) && name !== 'credential-bundle.pem' ? readFileSync(mount + name, 'utf8') : '';
  }
}
process.stdout.write(JSON.stringify(files));
`;

/**
 * Files of the identity volume of a pod, by name; private ones are empty. They are read through the agent on the pod's
 * node: the samples have no shell, a command in a module's own container would be a foreign process in it, and this way
 * nothing depends on what the module says.
 */
export async function volumeFiles({ kubectl }: Target, podUid: string, node: string): Promise<Record<string, string>> {
  const selector = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=node`;
  const agents = await kubectl.list<Pod>(['-n', SYSTEM_NAMESPACE, 'pods', '-l', selector]);
  const agent = agents.find(({ spec }) => spec.nodeName === node);
  if (!agent) throw new QuickstartError(`there is no agent on node ${node}`);
  const command = ['/usr/local/bin/node', '-e', READER, podUid];
  const output = await kubectl.run([
    '-n',
    SYSTEM_NAMESPACE,
    'exec',
    agent.metadata.name,
    '-c',
    'agent',
    '--',
    ...command,
  ]);
  return JSON.parse(output) as Record<string, string>;
}
