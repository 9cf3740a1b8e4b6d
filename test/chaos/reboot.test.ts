// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CallerPod, keysteadSide } from '../bench/workload-api/side.ts';
import { pushGoClient } from '../clients/go-client.ts';
import { Scene, until } from '../e2e/harness.ts';
import { cutPower } from '../lab/down.ts';
import { Progress } from '../lab/progress.ts';
import { labSettings, type RuntimeChoice } from '../lab/settings.ts';
import { bringUp } from '../lab/up.ts';

/** The node loses its power while modules run on it: every process at once, and all that lay in memory. */
const scene = new Scene('reboot');
let pod: CallerPod;

beforeAll(async () => {
  await scene.open();
  const [image = ''] = await pushGoClient(join(import.meta.dirname, '../bench/caller'), ['chaos'], scene.lab.registry);
  ({ pod } = await CallerPod.start(scene, await keysteadSide(scene, image), 'caller'));
  await scene.apply(...scene.module('files', { identity: { x509: { duration: '10m' } } }));
  await scene.holder('files', 'Allowed', (holder) => holder.serial !== undefined);
}, 300_000);
afterAll(() => scene.close(), 180_000);

async function leaf(): Promise<X509Certificate> {
  const pods = await scene.run('get', 'pods', '-l', 'keystead.dev/module=files', '-o', 'name');
  return new X509Certificate(await scene.read(pods.trim().replace('pod/', ''), 'tls.crt'));
}

describe('a reboot of the node', () => {
  it('gives its modules files and answers again without a hand', async () => {
    const before = await leaf();
    expect((await pod.calls('iotedge-sign', 1, 1, 10)).errors).toEqual([]);
    const settings = labSettings();
    const choice = readFileSync(join(settings.dir, 'runtime'), 'utf8') as RuntimeChoice;
    await cutPower(settings);
    const booted = performance.now();
    await bringUp(settings, choice, new Progress());
    const ready = performance.now();
    const after = await until('another certificate, of after the boot', 180, async () => {
      const found = await leaf().catch(() => undefined);
      return found && found.serialNumber !== before.serialNumber ? { found } : 'none';
    });
    expect(after.found.validToDate.getTime()).toBeGreaterThan(Date.now());
    expect(after.found.issuer).toBe(before.issuer);
    const address = await until('the caller again', 120, async () => {
      const ip = await scene.run('get', 'pod', 'caller', '-o', 'jsonpath={.status.podIP}').catch(() => '');
      const answer = await fetch(`http://${ip}:8080/first`).catch(() => undefined);
      return answer?.ok === true ? { ip } : ip;
    });
    for (const kind of ['open', 'token-new', 'iotedge-sign']) {
      const calls = await fetch(`http://${address.ip}:8080/run?kind=${kind}&callers=2&seconds=2&rate=20`);
      const { errors, calls: made } = (await calls.json()) as { errors: string[]; calls: number };
      expect({ kind, errors }).toEqual({ kind, errors: [] });
      expect(made).toBeGreaterThan(20);
    }
    const [node, modules] = [ready - booted, performance.now() - ready].map((each) => Math.round(each / 1_000));
    console.log(`the node is Ready ${node} s after the boot, its modules have all at most ${modules} s later`);
  }, 600_000);
});
