// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';
import { labSettings, type LabSettings, type RuntimeChoice } from './settings.ts';

/** A running lab, for those who use it: `$KEYSTEAD_LAB_DIR/lab.json`. All paths are absolute. */
export interface Lab {
  /** Administrator's kubeconfig; usable from the host. */
  readonly kubeconfig: string;
  readonly kubeletRoot: string;
  /** containerd's and the CRI's socket. */
  readonly containerdSocket: string;
  /** NRI socket, or null where the runtime has none. */
  readonly nriSocket: string | null;
  /** host:port as it stands in image references; plain HTTP, from host, node and pods. */
  readonly registry: string;
  readonly nodeName: string;
  /** The node's address; ports of pods on the host network are found there. */
  readonly nodeAddress: string;
  /** This machine as pods see it: listen there (or on all addresses) to be called from a pod. */
  readonly hostAddress: string;
  /** Network namespace of the node, as a file: `nsenter --net=<file>`. */
  readonly netns: string;
  /** Parent cgroup of all pods below each hierarchy, with a leading slash. */
  readonly cgroup: string;
  readonly helm: string;
  readonly kubectl: string;
  readonly ctr: string;
  readonly runtime: RuntimeChoice;
  /** As containerd says it, without a leading v. */
  readonly containerdVersion: string;
  /** Folder of the logs, one file for each daemon: `<name>.log`. */
  readonly logs: string;
  /** Folder of `<daemon>.pid.json`: `{pid, startTime}`. */
  readonly dir: string;
  /** The second node, where there is one (`up --nodes 2`). In the namespaces of its process 1 it has the paths above. */
  readonly second?: {
    readonly nodeName: string;
    readonly nodeAddress: string;
    /** Its process 1, by its number outside. */
    readonly initPid: number;
  };
}

/** The lab that `KEYSTEAD_LAB_DIR` (or the default) names. Throws LabError when none is up there. */
export function readLab(env: NodeJS.ProcessEnv = process.env): Lab {
  const settings = labSettings(env);
  try {
    return JSON.parse(readFileSync(labFile(settings), 'utf8')) as Lab;
  } catch (error) {
    throw new LabError(`no lab is up in ${settings.dir}`, 'Bring one up with: npm run lab -- up', { cause: error });
  }
}

/** Writes lab.json, complete or not at all. */
export async function writeLab(settings: LabSettings, lab: Lab): Promise<void> {
  await writeFile(`${labFile(settings)}.new`, `${JSON.stringify(lab, null, 2)}\n`);
  await rename(`${labFile(settings)}.new`, labFile(settings));
}

function labFile({ dir }: LabSettings): string {
  return join(dir, 'lab.json');
}
