// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { pushImage } from '../../src/build/image/registry.ts';
import { Scene, until } from '../e2e/harness.ts';
import { quantile } from './quantile.ts';

export interface StartLatency {
  readonly pods: number;
  /** Pods whose module found its certificate at its first instruction. */
  readonly atFirstInstruction: number;
  /** Milliseconds from the module's first instruction to the certificate. */
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** Starts `pods` probes, `atOnce` at a time, and reads what each of them says. */
export async function measureStarts(pods: number, atOnce: number): Promise<StartLatency> {
  const scene = new Scene('bench');
  await scene.open();
  try {
    const image = await pushProbe(scene);
    const waits: { first: boolean; ms: number }[] = [];
    // The starts are measured, not how soon a module that was applied this moment is known everywhere.
    await scene.apply(...module(scene, image));
    await scene.condition('moduleidentity', 'probe', 'Ready', 'False');
    for (let started = 0; started < pods; started += atOnce) {
      const names = Array.from({ length: atOnce }, (_, index) => `probe-${started + index}`);
      await scene.apply(...names.map((name) => scene.pod(name, { app: 'probe' }, { image, command: ['/probe'] })));
      for (const name of names) waits.push(await said(scene, name));
    }
    const sorted = waits.map(({ ms }) => ms).sort((left, right) => left - right);
    return {
      pods,
      atFirstInstruction: waits.filter(({ first }) => first).length,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      worst: sorted.at(-1) ?? 0,
    };
  } finally {
    await scene.close();
  }
}

function module(scene: Scene, image: string): object[] {
  const digest = image.slice(image.indexOf('@') + 1);
  return [
    scene.object('EdgeModule', 'probe', { selector: { matchLabels: { app: 'probe' } }, images: [{ digest }] }),
    scene.object('ModuleIdentity', 'probe', { moduleRef: { name: 'probe' } }),
  ];
}

async function said(scene: Scene, pod: string): Promise<{ first: boolean; ms: number }> {
  return until(`what ${pod} says`, 90, async () => {
    const log = await scene.run('logs', pod).catch(String);
    const match = /probe first=(true|false) ms=([\d.]+)/.exec(log);
    return match ? { first: match[1] === 'true', ms: Number(match[2]) } : log.slice(0, 200);
  });
}

async function pushProbe(scene: Scene): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-probe-'));
  try {
    const file = join(folder, 'probe');
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-trimpath', GOTOOLCHAIN: 'local' };
    execFileSync('go', ['build', '-ldflags', '-s -w', '-o', file, '.'], {
      cwd: join(import.meta.dirname, 'probe'),
      env,
    });
    const layer = await packLayer([{ kind: 'file', path: 'probe', mode: 0o755, content: readFileSync(file) }]);
    const image = makeImage([layer], { entrypoint: ['/probe'], user: '1000:1000', labels: {} });
    const { reference } = await pushImage(image, 'bench', { registry: scene.lab.registry, name: 'keystead/probe' });
    return reference;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
