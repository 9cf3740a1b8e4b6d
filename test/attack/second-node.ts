// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { readLab } from '../lab/index.ts';
import { until, type Kubectl, type KubeObject } from '../quickstart/kubectl.ts';

const CLI = join(import.meta.dirname, '../lab/cli.ts');
const TOKEN = 'var/run/secrets/kubernetes.io/serviceaccount/token';

/** The lab's second node with the product on it: a kubelet, an agent, a notary and a token of its own. */
export class SecondNode {
  readonly name: string;
  readonly #wasThere: boolean;

  private constructor(name: string, wasThere: boolean) {
    this.name = name;
    this.#wasThere = wasThere;
  }

  /** Has it join, where it is not there yet, and waits until its device can issue. */
  static async join(kubectl: Kubectl): Promise<SecondNode> {
    const wasThere = readLab().second !== undefined;
    await lab('2');
    const name = readLab().second!.nodeName;
    await until(`EdgeDevice ${name}`, 120, async () => {
      const device = await kubectl.find<EdgeDevice & KubeObject>(['edgedevice', name]);
      const ready = device?.status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'True' ? (true as const) : JSON.stringify(ready ?? 'none');
    });
    return new SecondNode(name, wasThere);
  }

  /** Takes it away again, where it was not there before. */
  async leave(): Promise<void> {
    if (!this.#wasThere) await lab('1');
  }
}

async function lab(nodes: '1' | '2'): Promise<void> {
  const args = [CLI, 'up', '--nodes', nodes, '--containerd', readLab().runtime];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the lab did not get ${nodes} nodes`);
}

/** The token with which the agent of a node calls the API server: bound to its pod, and by that to its node. */
export function agentToken(node: string): string {
  const { cgroup, second } = readLab();
  const ofSecond = `:${cgroup}/${second?.nodeName}/`;
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && read(name, 'cmdline').includes('/opt/keystead/agent.mjs'))
    .find((name) => {
      const group = read(name, 'cgroup');
      return group.includes(`:${cgroup}/`) && group.includes(ofSecond) === (node === second?.nodeName);
    });
  return readFileSync(`/proc/${pid}/root/${TOKEN}`, 'utf8').trim();
}

function read(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
