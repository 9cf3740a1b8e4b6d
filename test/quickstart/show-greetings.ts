// SPDX-License-Identifier: Apache-2.0
import { DEMO_NAMESPACE, expectedId, MODULES, peerOf, type ModuleName } from './demo.ts';
import { until } from './kubectl.ts';
import type { Holder } from './show-modules.ts';
import type { Target } from './target.ts';

/** Waits until each module's log tells that it has greeted the other, and been greeted by it, over mutual TLS. */
export async function showGreetings(
  { kubectl }: Target,
  holders: Readonly<Record<ModuleName, Holder>>,
  say: (line: string) => void,
): Promise<void> {
  for (const name of MODULES) {
    const peer = expectedId(peerOf(name));
    const lines = await until(`${name} and ${peerOf(name)} greeting each other`, 60, async () => {
      const log = (await kubectl.run(['-n', DEMO_NAMESPACE, 'logs', holders[name].pod, '-c', 'greeter']))
        .trim()
        .split('\n');
      const wanted = [`greeted ${peer}`, `was greeted by ${peer}`].map((end) =>
        log.find((line) => line.endsWith(` ${end}`)),
      );
      const [greeted, wasGreeted] = wanted;
      if (greeted === undefined || wasGreeted === undefined) return log.at(-1) ?? 'no log yet';
      return [log.find((line) => line.includes(' started, ')), greeted, wasGreeted];
    });
    for (const line of lines) if (line !== undefined) say(`${name}: ${line}`);
  }
}
