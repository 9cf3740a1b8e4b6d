// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Lab } from '../../lab/index.ts';

const run = promisify(execFile);

/** Runs kubectl against the lab, with an object as standard input where there is one; resolves with what it printed. */
export type Kubectl = (args: readonly string[], input?: object) => Promise<string>;

/** Never synchronous: the kubelet may be waiting for a driver in this very process. */
export function kubectlOf(lab: Lab): Kubectl {
  return async (args, input) => {
    const running = run(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args]);
    if (input) running.child.stdin?.end(JSON.stringify(input));
    return (await running).stdout;
  };
}
