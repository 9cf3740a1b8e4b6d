// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { hasExecuted } from '../../src/runtime/execution.ts';
import { isHalted } from '../../src/runtime/halted-start.ts';
import { Scene, until } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { runLab } from '../quickstart/target.ts';
import { daemonPid, killNow, pidsOf } from './processes.ts';

/** Modules that must not start without their identity, while what holds their starts comes and goes. */
const scene = new Scene('held');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

const LIMIT = 240_000;
type Holder = NonNullable<NonNullable<ModuleIdentity['status']>['holders']>[number];

/** Leaves a mark where its certificate is not there at its first instruction. */
const PROGRAM = 'test -s /var/run/keystead/tls.crt || echo x > /data/without; exec sleep 1000000';

/** A module with a Deployment of so many pods. */
function module(name: string, replicas: number, startPolicy = 'Require'): object[] {
  const [made, identity] = scene.module(name, {
    spec: { startPolicy },
    container: { command: ['/bin/sh', '-c', PROGRAM], volumeMounts: [{ name: 'data', mountPath: '/data' }] },
    pod: { volumes: [{ name: 'data', emptyDir: {} }] },
  }) as [{ spec: { template: object } }, object];
  return [{ ...made, spec: { ...made.spec, template: { ...made.spec.template, replicas } } }, identity];
}

/** Waits until so many pods of a module hold its identity, with running processes that have been measured. */
async function allHold(name: string, count: number, seconds = 120): Promise<readonly Holder[]> {
  return until(`${count} holders of ${name}`, seconds, async () => {
    const identity = await scene.find<ModuleIdentity & KubeObject>('moduleidentity', name);
    const allowed = (identity?.status?.holders ?? []).filter(
      ({ verdict, pid }) => verdict === 'Allowed' && pid !== undefined && existsSync(`/proc/${pid}`),
    );
    const ready = await scene.run('get', 'deployment', name, '-o', 'jsonpath={.status.readyReplicas}');
    return allowed.length === count && ready === String(count) ? allowed : `${allowed.length} hold, ${ready} are ready`;
  });
}

const markOf = (podUid: string): string =>
  join(scene.lab.kubeletRoot, 'pods', podUid, 'volumes/kubernetes.io~empty-dir/data/without');

/** Pods whose program was ever started without its certificate. */
const startedWithout = (holders: readonly Holder[]): string[] =>
  holders.filter(({ podUid }) => existsSync(markOf(podUid))).map(({ pod }) => pod);

/** The same, once the starts of all of them were held. No mark tells: an agent that is away leaves the former files in the volume. */
const allHeld = (name: string, count: number, seconds = 120): Promise<readonly Holder[]> =>
  until(`held starts of ${name}`, seconds, async () => {
    const holders = await allHold(name, count, seconds);
    const others = holders.filter(({ containerId = '' }) => !existsSync(recordOf(containerId)));
    return others.length === 0 ? holders : `not held: ${others.map(({ pod }) => pod).join(', ')}`;
  });

/** Waits until every holder's process is another than before. */
const restarted = (name: string, before: readonly Holder[]): Promise<readonly Holder[]> =>
  until(`other containers of ${name}`, 120, async () => {
    const after = await allHold(name, before.length);
    const old = new Set(before.map(({ containerId }) => containerId));
    return after.some(({ containerId }) => old.has(containerId)) ? 'the former ones' : after;
  });

/** By which the node's agents remember whose starts were held. */
const RECORD = join(scene.lab.dir, 'keystead/agent/held-starts');

const recordOf = (containerId: string): string => join(RECORD, readdirSync(RECORD)[0] ?? '', containerId);

const end = (holders: readonly Holder[]): void => {
  for (const { pid } of holders) process.kill(pid!, 'SIGKILL');
};

describe('no module that requires its identity starts without it', () => {
  let holders: readonly Holder[];
  beforeAll(async () => {
    await scene.apply(...module('strict', 4));
    holders = await allHold('strict', 4);
  }, LIMIT);
  /** Pods that started without it, once all have been started anew and hold it. */
  const without = async (): Promise<string[]> => {
    holders = await restarted('strict', holders);
    const found = startedWithout(holders);
    for (const { podUid } of holders) rmSync(markOf(podUid), { force: true });
    return found;
  };

  it(
    'while the agent dies again and again; one that the runtime starts as it dies is ended and started again',
    async () => {
      end(holders);
      for (let round = 0; round < 4; round++) {
        await until('the agent', 60, () => Promise.resolve(killNow('agent') > 0 ? { killed: true } : 'not running'));
        await sleep(500);
      }
      await restarted('strict', holders);
      holders = await allHeld('strict', 4);
      for (const { podUid } of holders) rmSync(markOf(podUid), { force: true });
    },
    LIMIT,
  );

  it(
    'that no agent has on its record: the next one ends it and says why; what was held goes on',
    async () => {
      const [{ pod, pid, containerId } = { pod: '' }, ...others] = holders;
      rmSync(recordOf(containerId!));
      expect(killNow('agent')).toBeGreaterThan(0);
      await until('its end', 60, () => Promise.resolve(!existsSync(`/proc/${pid}`) || 'it runs'));
      await until('the reason', 30, async () => {
        const found = await scene.run('get', 'events', '--field-selector', `involvedObject.name=${pod}`);
        return found.includes('StartNotHeld') ? { found } : found;
      });
      holders = await allHeld('strict', 4);
      expect(others.filter((other) => !existsSync(`/proc/${other.pid}`))).toEqual([]);
    },
    LIMIT,
  );

  it(
    'and none is ended that an agent held which kept no record, nor by an upgrade',
    async () => {
      const before = holders;
      rmSync(RECORD, { recursive: true });
      expect(killNow('agent')).toBeGreaterThan(0);
      await until('the record', 60, () => Promise.resolve(existsSync(RECORD) || 'none yet'));
      const system = ['-n', 'keystead-system', 'rollout'];
      await scene.kubectl.run([...system, 'restart', 'daemonset/keystead-node']);
      await scene.kubectl.run([...system, 'status', 'daemonset/keystead-node', '--timeout=120s']);
      holders = await allHold('strict', 4);
      const pids = (all: readonly Holder[]) => all.map(({ podUid, pid }) => [podUid, pid]).sort();
      expect(pids(holders)).toEqual(pids(before));
      // The next that start are on the record again.
      end(holders);
      await restarted('strict', holders);
      holders = await allHeld('strict', 4);
    },
    LIMIT,
  );

  for (const [what, issuing] of [
    ['lets it go on, as its identity is there', true],
    ['ends it, as there is none to be had', false],
  ] as const) {
    it(
      `while the agent dies with a start in its hands: its process stays stopped until the next agent ${what}`,
      async () => {
        // Nothing can be issued, so that the start is held for as long as it may be.
        const notaries = pidsOf('notary');
        const signal = (name: NodeJS.Signals): void => notaries.forEach((pid) => process.kill(pid, name));
        signal('SIGSTOP');
        try {
          const [{ podUid, pid: former } = { podUid: '', pid: 0 }] = holders;
          end(holders.slice(0, 1));
          const held = await until('a start that is held', 60, () => {
            const pid = processesOfPod(podUid).find((each) => each !== former && isHalted(each));
            return Promise.resolve(pid === undefined ? 'none' : { pid });
          });
          expect(killNow('agent')).toBeGreaterThan(0);
          if (issuing) signal('SIGCONT');
          await until('what becomes of it', 30, async () => {
            const executed = await hasExecuted(held.pid);
            if (executed === true) expect(issuing).toBe(true);
            return executed === issuing || (!issuing && executed === undefined) || 'stopped';
          });
        } finally {
          signal('SIGCONT');
        }
        end(holders.slice(1));
        expect(await without()).toEqual([]);
      },
      LIMIT,
    );
  }

  it(
    'while the agent hangs in the hook, and is killed there',
    async () => {
      const [agent = 0] = pidsOf('agent');
      process.kill(agent, 'SIGSTOP');
      end(holders);
      await sleep(1_500);
      process.kill(agent, 'SIGKILL');
      expect(await without()).toEqual([]);
    },
    LIMIT,
  );

  it(
    'while the agent hangs for longer than the runtime waits',
    async () => {
      const [agent = 0] = pidsOf('agent');
      process.kill(agent, 'SIGSTOP');
      try {
        end(holders);
        await sleep(10_000);
      } finally {
        process.kill(agent, 'SIGCONT');
      }
      expect(await without()).toEqual([]);
    },
    LIMIT,
  );

  it(
    'when containerd was restarted; what runs keeps what it has',
    async () => {
      const before = holders;
      process.kill(daemonPid(scene.lab, 'containerd'), 'SIGKILL');
      await runLab('up');
      const serials = (all: readonly Holder[]) => all.map(({ podUid, serial }) => [podUid, serial]).sort();
      expect(serials(await allHold('strict', 4))).toEqual(serials(before));
      end(holders);
      expect(await without()).toEqual([]);
      await scene.apply(...module('afterwards', 2));
      expect(startedWithout(await allHold('afterwards', 2))).toEqual([]);
    },
    LIMIT,
  );
});

describe('a hundred pods at once', () => {
  for (const [startPolicy, when] of [
    ['Require', 'before its first instruction; what the runtime did not wait with is ended and started again'],
    ['Wait', 'soon: a start is held for a second and a half at most, and then its identity follows'],
  ] as const) {
    it(
      `get an identity under ${startPolicy}, each its own, ${when}`,
      async () => {
        const startedAt = performance.now();
        await scene.apply(...module('many', 100, startPolicy));
        // Where other programs take both cores, an agent may not answer within the two seconds that the runtime waits.
        const holders = await (startPolicy === 'Require' ? allHeld('many', 100, 200) : allHold('many', 100, 200));
        const seconds = Math.round((performance.now() - startedAt) / 1000);
        const without = startedWithout(holders);
        console.log(`${startPolicy}: all hold an identity after ${seconds} s; ${without.length} started before it`);
        expect(new Set(holders.map(({ serial }) => serial)).size).toBe(100);
        await scene.run('delete', 'edgemodule/many', 'moduleidentity/many');
        await scene.run('wait', '--for=delete', 'pod', '-l', 'keystead.dev/module=many', '--timeout=120s');
      },
      LIMIT,
    );
  }
});
