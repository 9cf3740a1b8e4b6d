// SPDX-License-Identifier: Apache-2.0
import { nodeReady } from './cluster.ts';
import { runningDaemon } from './daemon.ts';
import { DAEMONS } from './daemons.ts';
import { hasSecondNode } from './second-node.ts';
import { secondNode, type LabSettings } from './settings.ts';

/** Prints one line for each daemon and one for the node. True when all is well. */
export async function printStatus(settings: LabSettings, print: (line: string) => void): Promise<boolean> {
  let healthy = true;
  for (const name of [...DAEMONS].reverse()) {
    const ref = await runningDaemon(settings, name);
    print(`${name.padEnd(24)} ${ref ? `running, process ${ref.pid}` : 'not running'}`);
    healthy &&= ref !== undefined;
  }
  if (await hasSecondNode(settings)) {
    const secondReady = await nodeReady({ ...settings, nodeName: secondNode(settings).nodeName });
    print(`${'second node'.padEnd(24)} ${secondReady ? 'Ready' : 'not ready'}`);
    healthy &&= secondReady;
  }
  const ready = await nodeReady(settings);
  print(`${'node'.padEnd(24)} ${ready ? 'Ready' : 'not ready'}`);
  return healthy && ready;
}
