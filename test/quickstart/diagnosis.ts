// SPDX-License-Identifier: Apache-2.0
import { DEMO_NAMESPACE } from './demo.ts';
import { RELEASE, SYSTEM_NAMESPACE } from './install.ts';
import type { Target } from './target.ts';

const LOG_LINES = '15';

/** What a person would look at first when the quickstart fails: statuses, events, the end of every log. Never throws. */
export async function diagnose({ kubectl, access }: Target): Promise<string> {
  const system = ['-n', SYSTEM_NAMESPACE];
  const tail = ['--tail', LOG_LINES, '--prefix'];
  const questions: [string, string[]][] = [
    ['Keystead objects', ['get', 'keystead', '-A', '-o', 'wide']],
    ['Pods', ['get', 'pods', '-A', '-o', 'wide']],
    [`Events in ${SYSTEM_NAMESPACE}`, ['get', 'events', ...system, '--sort-by=.lastTimestamp']],
    [`Events in ${DEMO_NAMESPACE}`, ['get', 'events', '-n', DEMO_NAMESPACE, '--sort-by=.lastTimestamp']],
    ['Controller', ['logs', ...system, `deployment/${RELEASE}-controller`, ...tail]],
    ['Agent', ['logs', ...system, `daemonset/${RELEASE}-node`, '-c', 'agent', ...tail]],
    ['Notary', ['logs', ...system, `daemonset/${RELEASE}-node`, '-c', 'notary', ...tail]],
  ];
  const answers = await Promise.all(
    questions.map(async ([title, args]) => {
      const answer = await kubectl.run(args).catch((error: unknown) => String(error));
      return `--- ${title}\n${lastLines(answer)}`;
    }),
  );
  return `${answers.join('\n')}\n--- It is left running. To look around: ${access}`;
}

function lastLines(text: string, count = 25): string {
  const lines = text.trimEnd().split('\n');
  const [first = '', ...rest] = lines;
  return lines.length <= count ? lines.join('\n') : [first, '…', ...rest.slice(-count)].join('\n');
}
