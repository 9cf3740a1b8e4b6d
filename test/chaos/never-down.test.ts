// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { CallerPod, keysteadSide, type Calls } from '../bench/workload-api/side.ts';
import { pushGoClient } from '../clients/go-client.ts';
import { Scene, until } from '../e2e/harness.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { daemonPid, killNow, pidsOf } from './processes.ts';

/** go-spiffe calls all the time, as modules do, while something happens to what answers. */
const scene = new Scene('never-down');
const SYSTEM = ['-n', 'keystead-system'];
const CALLERS = 8;
const RATE = 50;
/** Longer than a certificate lives. Tried with 10. */
const AWAY_MINUTES = Number(process.env['KEYSTEAD_CHAOS_AWAY_MINUTES'] ?? 2);
/** Longest wait of a call while the agent is started again. */
const BACK_MS = 5_000;
let pod: CallerPod;
let startedAt: number;
type Device = EdgeDevice & KubeObject;

beforeAll(async () => {
  await scene.open();
  const caller = join(import.meta.dirname, '../bench/caller');
  const [image = ''] = await pushGoClient(caller, ['chaos'], scene.lab.registry);
  ({ pod } = await CallerPod.start(scene, await keysteadSide(scene, image), 'caller'));
  startedAt = Date.now();
}, 300_000);
afterAll(() => scene.close(), 180_000);

/** What callers of each kind saw while something was done: open clients, clients for each call, and signs of IoT Edge's API. */
async function during(seconds: number, work: () => Promise<void>): Promise<Calls[]> {
  const kinds = ['open', 'connection', 'token-cached', 'iotedge-sign'];
  const calls = Promise.all(kinds.map((kind) => pod.calls(kind, CALLERS, seconds, RATE)));
  await work();
  return calls;
}

const failures = (all: readonly Calls[]): string[] => all.flatMap(({ errors }) => errors);
const made = (all: readonly Calls[]): number => Math.min(...all.map(({ calls }) => calls));

/** Waits until a program runs in another process than these. */
function another(program: 'agent' | 'notary', before: readonly number[]): Promise<unknown> {
  return until(`another ${program}`, 60, () => {
    const pids = pidsOf(program);
    return Promise.resolve(pids.length > 0 && !before.includes(pids[0]!) ? { pids } : 'none');
  });
}

describe('no call fails', () => {
  it('while the agent is upgraded', async () => {
    const before = pidsOf('agent');
    const calls = await during(45, async () => {
      await scene.kubectl.run([...SYSTEM, 'rollout', 'restart', 'daemonset/keystead-node']);
      await scene.kubectl.run([...SYSTEM, 'rollout', 'status', 'daemonset/keystead-node', '--timeout=120s']);
    });
    await another('agent', before);
    expect(failures(calls)).toEqual([]);
    expect(made(calls)).toBeGreaterThan(10 * CALLERS);
  }, 240_000);

  it('while the notary restarts', async () => {
    const before = pidsOf('notary');
    const calls = await during(10, async () => {
      killNow('notary');
      await another('notary', before);
    });
    expect(failures(calls)).toEqual([]);
    expect(made(calls)).toBeGreaterThan(2 * CALLERS);
  }, 120_000);
});

describe('the API server is away', () => {
  it(
    'and no call fails, nor does a certificate end',
    async () => {
      await scene.run('patch', 'moduleidentity', 'caller', '--type=merge', '-p', '{"spec":{"x509":{"duration":"1m"}}}');
      const apiServer = daemonPid(scene.lab, 'kube-apiserver');
      const calls: Calls[] = [];
      process.kill(apiServer, 'SIGSTOP');
      try {
        for (let minute = 0; minute < AWAY_MINUTES; minute++) {
          calls.push(...(await during(60, () => Promise.resolve())));
        }
      } finally {
        process.kill(apiServer, 'SIGCONT');
      }
      expect(failures(calls)).toEqual([]);
      expect(made(calls)).toBeGreaterThan(60 * CALLERS);
      const total = calls.reduce((sum, { calls: each }) => sum + each, 0);
      console.log(`${AWAY_MINUTES} minutes without the API server: ${total} calls`);
    },
    (AWAY_MINUTES + 2) * 60_000,
  );
});

describe('a crash of the agent', () => {
  it('fails the calls in flight at most: who connects meanwhile is answered by the next process', async () => {
    const before = pidsOf('agent');
    let killedAt = 0;
    const calls = await during(15, async () => {
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      killNow('agent');
      killedAt = Date.now();
      await another('agent', before);
    });
    const [, connecting] = calls;
    // A failure is written with the time at which its call began.
    const late = connecting!.errors.filter(
      (error) => Date.parse(`1970-01-01T${error.slice(0, 12)}Z`) > killedAt % 86_400_000,
    );
    expect(late).toEqual([]);
    expect(connecting!.calls).toBeGreaterThan(2 * CALLERS);
    // A second on a machine that has nothing else to do; what this test's callers take of two cores comes on top.
    expect(connecting!.max).toBeLessThan(BACK_MS);
    const restarts = await scene.kubectl.run([
      ...SYSTEM,
      'get',
      'pods',
      '-l',
      'app.kubernetes.io/component=node',
      '-o',
      'jsonpath={.items[0].status.containerStatuses[?(@.name=="agent")].restartCount}',
    ]);
    console.log(`longest wait of a call ${Math.round(connecting!.max)} ms; restarts of the container: ${restarts}`);
  }, 120_000);
});

describe('agent and notary that stand still for longer than a certificate lives', () => {
  it('give the module a valid one again without a hand, as after a sleep of the machine', async () => {
    await scene.apply(...scene.module('sleeper', { identity: { x509: { duration: '1m' } } }));
    await scene.holder('sleeper', 'Allowed', (holder) => holder.serial !== undefined);
    const pods = await scene.run('get', 'pods', '-l', 'keystead.dev/module=sleeper', '-o', 'name');
    const name = pods.trim().replace('pod/', '');
    const leaf = async (): Promise<X509Certificate> => new X509Certificate(await scene.read(name, 'tls.crt'));
    const before = await leaf();
    const asleep = [...pidsOf('supervisor'), ...pidsOf('agent'), ...pidsOf('notary')];
    for (const pid of asleep) process.kill(pid, 'SIGSTOP');
    try {
      await until('the end of the certificate', 90, () =>
        Promise.resolve(before.validToDate.getTime() < Date.now() || before.validTo),
      );
    } finally {
      // The kubelet may have begun anew what did not answer it.
      for (const pid of asleep) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGCONT');
    }
    const woken = performance.now();
    await until('a valid certificate', 60, async () => {
      const { validToDate } = await leaf();
      return validToDate.getTime() > Date.now() || String(validToDate);
    });
    console.log(`a valid certificate ${Math.round(performance.now() - woken)} ms after waking`);
  }, 240_000);
});

describe('a start of the agent while the API server is away', () => {
  it('serves the modules that it knew, from a copy that is sealed with the node’s token', async () => {
    const agent = pidsOf('agent');
    const sealed = join(scene.lab.dir, 'keystead/agent/cluster.sealed');
    await until('a sealed copy that knows the caller', 60, () => {
      const written = existsSync(sealed) ? statSync(sealed).mtimeMs : 0;
      return Promise.resolve(written > startedAt ? { written } : 'older');
    });
    expect(readFileSync(sealed).includes(scene.namespace)).toBe(false);
    const apiServer = daemonPid(scene.lab, 'kube-apiserver');
    process.kill(apiServer, 'SIGSTOP');
    try {
      killNow('agent');
      await another('agent', agent);
      const { calls } = await until('an identity from the next agent', 40, async () => {
        const made = await pod.calls('connection', 1, 1, 10);
        return made.errors.length === 0 ? made : made.errors[0]!;
      });
      expect(calls).toBeGreaterThan(0);
    } finally {
      process.kill(apiServer, 'SIGCONT');
    }
  }, 180_000);
});

describe('no call fails, with an open client, with a connection for each, and for a token', () => {
  it('while the node goes over to another CA', async () => {
    const device = (await scene.kubectl.find<Device>(['edgedevice', scene.lab.nodeName]))!;
    const before = device.status?.issuer?.fingerprint ?? '';
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    const anotherCa = (...former: string[]): Promise<string> =>
      until('another CA', 150, async () => {
        const { status } = (await scene.kubectl.find<Device>(['edgedevice', scene.lab.nodeName]))!;
        const found = status?.issuer?.fingerprint ?? '';
        return found !== '' && !former.includes(found) ? { found } : found;
      }).then(({ found }) => found);
    const configure = async (spec: object): Promise<void> => {
      await scene.kubectl.run([
        'patch',
        'edgedevice',
        scene.lab.nodeName,
        '--type=merge',
        '-p',
        JSON.stringify({ spec }),
      ]);
    };
    const { issuer } = device.spec;
    // The next CA is made known for a tenth of its life before it issues.
    await scene.run('patch', 'moduleidentity', 'caller', '--type=merge', '-p', '{"spec":{"x509":{"duration":"1m"}}}');
    const calls = await during(100, async () => {
      await configure({
        issuer: { maxLeafLifetime: '5m', selfSigned: { lifetime: '10m', rotateBefore: new Date().toISOString() } },
      });
      await anotherCa(before);
    }).finally(() =>
      configure({
        issuer: {
          maxLeafLifetime: issuer.maxLeafLifetime,
          selfSigned: { lifetime: issuer.selfSigned?.lifetime ?? null },
        },
      }),
    );
    expect(failures(calls)).toEqual([]);
    expect(made(calls)).toBeGreaterThan(10 * CALLERS);
    // The CA of minutes refuses certificates of an hour: what comes after this test has one that lasts.
    const { status } = (await scene.kubectl.find<Device>(['edgedevice', scene.lab.nodeName]))!;
    await anotherCa(before, status?.issuer?.fingerprint ?? '');
  }, 400_000);
});
