// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { pidsOf } from '../chaos/processes.ts';
import { waitForRelease } from '../quickstart/install.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { presentLab } from '../quickstart/target.ts';
import { ALL_FILES, Scene, until } from './harness.ts';

const execute = promisify(execFile);
const scene = new Scene('operate');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 180_000;
const SYSTEM = ['-n', 'keystead-system'];

/** Address of the pod of the agent and the notary, or of the controller. */
async function address(component: 'node' | 'controller'): Promise<string> {
  const selector = `app.kubernetes.io/component=${component}`;
  const ip = await scene.kubectl.run([
    ...SYSTEM,
    'get',
    'pods',
    '-l',
    selector,
    '-o',
    'jsonpath={.items[0].status.podIP}',
  ]);
  return `http://${ip.trim()}:9464`;
}

describe('health and metrics', () => {
  it.each([
    ['controller', 'controller', ''],
    ['agent', 'node', ''],
    ['notary', 'node', '/notary'],
  ] as const)('of the %s say that it lives and is ready, and count its work', async (_process, component, prefix) => {
    const base = (await address(component)) + prefix;
    expect((await fetch(`${base}/livez`)).status).toBe(200);
    const ready = await fetch(`${base}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining('ok ')]);
    expect(await (await fetch(`${base}/metrics`)).text()).toContain('# TYPE keystead_');
  });

  it(
    'tell of attestations by result and reason, and of the certificates that pods hold',
    async () => {
      await scene.apply(...scene.module('counted', { spec: { process: { uid: 77 } } }), ...scene.module('holding'));
      await scene.holder('counted', 'Denied');
      const { pod } = await scene.holder('holding', 'Allowed');
      const metrics = await (await fetch(`${await address('node')}/metrics`)).text();
      expect(metrics).toMatch(/keystead_attestations_total\{result="Denied",reason="CredentialsMismatch"\} [1-9]/);
      expect(metrics).toMatch(/keystead_attestations_total\{result="Allowed",reason=""\} [1-9]/);
      expect(metrics).toMatch(
        new RegExp(`keystead_certificate_expiration_timestamp_seconds\\{[^}]*pod="${pod}"\\} \\d+`),
      );
    },
    LIMIT,
  );
});

describe('the logs of all processes', () => {
  it('hold no private key and no PIN', async () => {
    const logs = await scene.kubectl.run([
      ...SYSTEM,
      'logs',
      '-l',
      'app.kubernetes.io/name=keystead',
      '--all-containers',
      '--tail=-1',
    ]);
    expect(logs).toContain('"msg":"issued"');
    expect(logs).not.toContain('PRIVATE KEY');
    const pin = readFileSync(await pinFile(), 'utf8').trim();
    expect(pin.length).toBeGreaterThan(3);
    expect(logs).not.toContain(pin);
  });
});

describe("the notary's container", () => {
  it("has a filter of its own on top of the runtime's, without a gap", async () => {
    const [pid = 0] = pidsOf('notary');
    const filters = Number(/^Seccomp_filters:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    const [agent = 0] = pidsOf('agent');
    expect(readFileSync(`/proc/${agent}/status`, 'utf8')).toMatch(/^Seccomp:\t0$/m);
    expect(filters).toBeGreaterThanOrEqual(2);
    const selector = ['-l', 'app.kubernetes.io/component=node', '-c', 'notary', '--tail=-1'];
    const log = await scene.kubectl.run([...SYSTEM, 'logs', ...selector]);
    expect(log).toContain('"mode":"strict","msg":"sandboxed"}');
    expect(log).not.toContain('"gap"');
  });
});

/** The PIN that the node made for its software token, as the notary's container sees it. */
async function pinFile(): Promise<string> {
  const { stdout } = await execute('find', [
    join(scene.lab.dir, 'keystead'),
    scene.lab.kubeletRoot,
    '-name',
    'pin',
    '-type',
    'f',
  ]);
  return stdout.split('\n')[0] ?? '';
}

describe('without NRI', () => {
  const setNri = async (socket: string): Promise<void> => {
    const target = presentLab()!;
    const chart = resolve(import.meta.dirname, '../../charts/keystead');
    const args = ['upgrade', 'keystead', chart, ...SYSTEM, '--reuse-values', '--set', `runtime.nriSocket=${socket}`];
    await execute(target.helm, args, { env: target.kubectl.environment });
    await waitForRelease(target);
  };
  const startsAre = (kind: string): Promise<KubeObject> =>
    until(`starts by ${kind}`, 60, async () => {
      const device = await scene.kubectl.find<KubeObject & { status?: { platform?: { containerStarts?: string } } }>([
        'edgedevice',
        scene.lab.nodeName,
      ]);
      const found = device?.status?.platform?.containerStarts;
      return found === kind ? device! : String(found);
    });

  it(
    'modules get their identity by task events, and the device says so',
    async () => {
      await startsAre('Nri');
      try {
        await setNri('');
        await startsAre('TaskEvents');
        await scene.apply(...scene.module('unheld'));
        const { pod } = await scene.holder('unheld', 'Allowed');
        await scene.filesAre(pod, ALL_FILES);
      } finally {
        await setNri(scene.lab.nriSocket ?? '');
      }
      await startsAre('Nri');
    },
    LIMIT,
  );
});
