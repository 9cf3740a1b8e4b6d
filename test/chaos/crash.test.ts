// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { ALL_FILES, Scene, until } from '../e2e/harness.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { daemonPid, killNow, pidsOf } from './processes.ts';

const scene = new Scene('chaos');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

const LIMIT = 240_000;
const HANG_MS = 25_000;
const PODS = 6;

type Holder = NonNullable<NonNullable<ModuleIdentity['status']>['holders']>[number];

/** Waits until exactly `count` running pods of a module hold its identity, each with a serial of its own. */
function allHold(name: string, count: number): Promise<readonly Holder[]> {
  return until(`${count} holders of ${name}`, 120, async () => {
    const identity = await scene.find<ModuleIdentity & KubeObject>('moduleidentity', name);
    const holders = identity?.status?.holders ?? [];
    // With its pid: the process has been measured, not only its image.
    const allowed = holders.filter(({ verdict, pid }) => verdict === 'Allowed' && pid !== undefined);
    const serials = new Set(allowed.map(({ serial }) => serial));
    const ready = await scene.run('get', 'deployment', name, '-o', 'jsonpath={.status.readyReplicas}');
    const done =
      allowed.length === count && holders.length === count && serials.size === count && ready === String(count);
    return done
      ? allowed
      : JSON.stringify({ ready, holders: holders.map(({ pod, verdict, reason }) => [pod, verdict, reason]) });
  });
}

/** Mounts of the product whose pod is not among these. */
async function strayMounts(): Promise<string[]> {
  const pods = await scene.kubectl.run(['get', 'pods', '-A', '-o', 'jsonpath={.items[*].metadata.uid}']);
  const uids = new Set(pods.split(' '));
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(scene.lab.kubeletRoot) && line.includes('kubernetes.io~csi'))
    .filter((line) => !uids.has(/pods\/([0-9a-f-]{36})\//.exec(line)?.[1] ?? ''));
}

const replicas = (name: string, count: number): object[] => {
  const [module, identity] = scene.module(name) as [{ spec: { template: object } }, object];
  return [{ ...module, spec: { ...module.spec, template: { ...module.spec.template, replicas: count } } }, identity];
};

describe('a restart of the agent', () => {
  it(
    'issues nothing anew, and renews nothing',
    async () => {
      await scene.apply(...replicas('steady', 2));
      const before = await allHold('steady', 2);
      const old = pidsOf('agent');
      killNow('agent');
      await until('another agent', 60, () => {
        const pids = pidsOf('agent');
        return Promise.resolve(pids.length > 0 && !old.includes(pids[0]!) ? { pids } : 'none');
      });
      await until('the agent ready', 60, async () => {
        const ready = await scene.kubectl.run([
          '-n',
          'keystead-system',
          'get',
          'daemonset',
          'keystead-node',
          '-o',
          'jsonpath={.status.numberReady}',
        ]);
        return ready === '1' ? { ready } : ready;
      });
      const after = await allHold('steady', 2);
      const serials = (holders: readonly Holder[]): unknown[] =>
        holders.map(({ podUid, serial, since }) => [podUid, serial, since]).sort();
      expect(serials(after)).toEqual(serials(before));
    },
    LIMIT,
  );
});

describe('while pods start', () => {
  it(
    'the notary may be killed again and again: all pods get their identity, once each',
    async () => {
      await scene.apply(...replicas('notary-dies', PODS));
      for (let round = 0; round < 4; round++) {
        await until('the notary', 60, () => Promise.resolve(killNow('notary') > 0 ? { killed: true } : 'not running'));
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      const holders = await allHold('notary-dies', PODS);
      for (const { pod } of holders) await scene.filesAre(pod, ALL_FILES);
    },
    LIMIT,
  );

  it(
    'the agent may be killed again and again: all pods get their identity, and no mount is left over',
    async () => {
      await scene.apply(...replicas('agent-dies', PODS));
      for (let round = 0; round < 4; round++) {
        await until('the agent', 60, () => Promise.resolve(killNow('agent') > 0 ? { killed: true } : 'not running'));
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      const holders = await allHold('agent-dies', PODS);
      for (const { pod } of holders) await scene.filesAre(pod, ALL_FILES);
      await until('no stray mount', 60, async () => {
        const stray = await strayMounts();
        return stray.length === 0 ? { stray } : stray.join('\n');
      });
    },
    LIMIT,
  );

  it(
    'pods may be deleted while they are issued to, and nothing of them is left',
    async () => {
      await scene.apply(...replicas('short-lived', PODS));
      for (let round = 0; round < 3; round++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await scene.run(
          'delete',
          'pod',
          '-l',
          'keystead.dev/module=short-lived',
          '--wait=false',
          '--grace-period=0',
          '--force',
        );
      }
      await allHold('short-lived', PODS);
      await until('no stray mount', 60, async () => {
        const stray = await strayMounts();
        return stray.length === 0 ? { stray } : stray.join('\n');
      });
    },
    LIMIT,
  );
});

describe('while the API server hangs', () => {
  it(
    'a module that restarts gets its identity all the same, and the status follows afterwards',
    async () => {
      await scene.apply(...replicas('offline', 1));
      const [before] = await allHold('offline', 1);
      const apiServer = daemonPid(scene.lab, 'kube-apiserver');
      process.kill(apiServer, 'SIGSTOP');
      const stoppedAt = Date.now();
      try {
        process.kill(before!.pid!, 'SIGKILL');
        await new Promise((resolve) => setTimeout(resolve, HANG_MS - (Date.now() - stoppedAt)));
      } finally {
        process.kill(apiServer, 'SIGCONT');
      }
      // For a moment the status still speaks of the container before.
      const after = await scene.holder('offline', 'Allowed', (holder) => holder.containerId !== before!.containerId);
      expect(Date.parse(after.since)).toBeLessThan(stoppedAt + HANG_MS);
      await scene.filesAre(after.pod, ALL_FILES);
    },
    LIMIT,
  );
});
