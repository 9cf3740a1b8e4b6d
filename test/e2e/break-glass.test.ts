// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';

const scene = new Scene('glass');
const LIMIT = 180_000;

beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

/** Restarts the agent of the lab's node, and waits until another one is ready. */
async function restartAgent(): Promise<void> {
  const of = ['-n', 'keystead-system'];
  const pods = await scene.kubectl.run([...of, 'get', 'pod', '-l', 'app.kubernetes.io/component=node', '-o', 'name']);
  await scene.kubectl.run([...of, 'delete', ...pods.trim().split('\n'), '--wait=true']);
  await until('the next agent', 120, async () => {
    const found = await scene.kubectl.find<KubeObject & { status: { numberReady: number } }>([
      ...[...of, 'daemonset', 'keystead-node'],
    ]);
    return found?.status.numberReady === 1 || 'not ready';
  });
}

describe('a module in which somebody executes something by break-glass', () => {
  it(
    'has lost its identity when that has ended, also after a restart of the agent, until its container restarts',
    async () => {
      await scene.apply(...scene.module('opened'));
      // Where the start was held, the process follows a moment after the verdict on its image.
      const held = await scene.holder('opened', 'Allowed', ({ pid }) => pid !== undefined);
      await scene.filesAre(held.pod, ALL_FILES);
      await scene.run('exec', held.pod, '--', '/bin/true');
      const denied = await scene.holder('opened', 'Denied');
      expect(denied).toMatchObject({ reason: 'LineageMismatch', containerId: held.containerId });
      expect(denied.opened).toContain('was executed in the container from outside');
      await scene.filesAre(held.pod, PUBLIC_FILES);

      await restartAgent();
      // Another measurement by the new agent.
      await scene.run('annotate', 'edgemodule', 'opened', 'looked=again');
      await new Promise((done) => setTimeout(done, 3_000));
      expect(await scene.holder('opened', 'Denied')).toMatchObject({ opened: denied.opened, since: denied.since });
      expect(await scene.files(held.pod)).toEqual(PUBLIC_FILES);

      process.kill(held.pid!, 'SIGKILL');
      const again = await scene.holder('opened', 'Allowed', ({ containerId }) => containerId !== held.containerId);
      expect(again).not.toHaveProperty('opened');
      await scene.filesAre(again.pod, ALL_FILES);
    },
    LIMIT,
  );

  it(
    'keeps it where its EdgeModule lets others in',
    async () => {
      await scene.apply(...scene.module('let-in', { spec: { process: { allowExec: true } } }));
      const held = await scene.holder('let-in', 'Allowed');
      await scene.run('exec', held.pod, '--', '/bin/true');
      await new Promise((done) => setTimeout(done, 2_000));
      expect(await scene.holder('let-in', 'Allowed')).toMatchObject({ serial: held.serial, since: held.since });
    },
    LIMIT,
  );
});
