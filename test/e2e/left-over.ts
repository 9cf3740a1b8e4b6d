// SPDX-License-Identifier: Apache-2.0
/** `node test/e2e/left-over.ts`: what tests have taken down is gone, with all that was in it; else it says what is left and fails. */
import { Kubectl, until, type KubeObject } from '../quickstart/kubectl.ts';
import { readLab } from '../lab/index.ts';
import { SCENE_LABEL } from './harness.ts';

const SECONDS = 120;
const lab = readLab();
const kubectl = new Kubectl(lab.kubectl, lab.kubeconfig);

await until('the end of the namespaces of all tests', SECONDS, async () => {
  const left = await kubectl.list<KubeObject>(['namespaces', '-l', SCENE_LABEL]);
  return left.length === 0 ? { left } : JSON.stringify(left.map(({ metadata, status }) => [metadata.name, status]));
});
