// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from '../e2e/harness.ts';
import { volumeOf } from '../e2e/withdrawal-time.ts';
import { pidsOf } from './processes.ts';

/**
 * The agent alone is cut off from the API server, which goes on with kubelet and users: pods and modules change and the agent
 * does not hear of it.
 */
const scene = new Scene('stale');
const LIMIT = 240_000;
let server: string;

function inAgentNetwork(...command: readonly string[]): string {
  const [agent = 0] = pidsOf('agent');
  return execFileSync('nsenter', [`--net=/proc/${agent}/ns/net`, '--', ...command], { encoding: 'utf8' });
}

const cut = (): void => {
  inAgentNetwork('ip', 'route', 'add', 'blackhole', `${server}/32`);
  // Connections that are open would hang for as long as TCP is patient.
  inAgentNetwork('ss', '--kill', 'dst', server);
};
const mend = (): void => void inAgentNetwork('ip', 'route', 'delete', 'blackhole', `${server}/32`);

const selected = (name: string, spec: object = {}): object[] => [
  scene.object('EdgeModule', name, {
    selector: { matchLabels: { app: name } },
    images: [{ digest: scene.digests.index }],
    remeasureInterval: '1s',
    ...spec,
  }),
  scene.object('ModuleIdentity', name, { moduleRef: { name } }),
  scene.pod(name, { app: name }),
];

const forbid = (name: string): Promise<string> =>
  scene.run(
    'patch',
    'edgemodule',
    name,
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { images: [{ digest: `sha256:${'0'.repeat(64)}` }] } }),
  );

beforeAll(async () => {
  await scene.open();
  server = (await scene.kubectl.run(['get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}'])).trim();
  await scene.apply(
    ...selected('patient'),
    ...selected('strict', { window: { maxStaleness: '1m' } }),
    ...selected('gone'),
  );
  for (const name of ['patient', 'strict', 'gone']) {
    await scene.holder(name, 'Allowed', ({ pid }) => pid !== undefined);
    await scene.filesAre(name, ALL_FILES);
  }
}, LIMIT);
afterAll(() => scene.close(), 180_000);

describe('an agent that is cut off from its API server', () => {
  it(
    'takes back what it can see, and what may not be older than it is; the rest once it hears again',
    async () => {
      const gone = (await scene.find('pod', 'gone'))!.metadata.uid;
      const cutAt = Date.now();
      cut();
      try {
        await forbid('patient');
        await scene.run('delete', 'pod', 'gone', '--grace-period=0', '--force');
        // Its process ends: of that the kernel tells.
        await until('the withdrawal from a pod that is gone', 30, () => {
          const lies = existsSync(join(volumeOf(scene.lab.kubeletRoot, gone), 'tls.crt'));
          return Promise.resolve(lies ? 'tls.crt' : (true as const));
        });
        // LIMIT: what was forbidden meanwhile it cannot know.
        await scene.filesAre('patient', ALL_FILES);
        await until('the withdrawal of what may not be old', 130, async () => {
          const files = await scene.files('strict');
          return files.length === PUBLIC_FILES.length ? (true as const) : files.join(' ');
        });
        console.log(`withdrawn ${Math.round((Date.now() - cutAt) / 1000)} s after the cut, by maxStaleness: 1m`);
        expect(await scene.files('patient')).toEqual([...ALL_FILES].sort());
      } finally {
        mend();
      }
      expect(await scene.holder('patient', 'Denied')).toMatchObject({ reason: 'ImageDigestMismatch' });
      await scene.filesAre('patient', PUBLIC_FILES);
      await scene.holder('strict', 'Allowed');
      await scene.filesAre('strict', ALL_FILES);
    },
    LIMIT,
  );
});
