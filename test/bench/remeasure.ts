// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeImage } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { pushImage } from '../../src/build/image/registry.ts';
import { sharedLibraries } from '../../src/build/image/shared-libraries.ts';
import type { TarEntry } from '../../src/build/image/tar.ts';
import { pidsOf } from '../chaos/processes.ts';
import { Scene, until } from '../e2e/harness.ts';
import { processesOfContainer } from '../e2e/pod-processes.ts';
import { processorMs } from './workload-api/processor-time.ts';

/** What attestation that goes on costs while nothing changes. */
export interface Remeasure {
  /** Processes that are measured, and in how many pods they are. */
  readonly processes: number;
  readonly pods: number;
  readonly intervalSeconds: number;
  /** Share of one core that the agent takes, percent: without the modules, and with them. */
  readonly idlePercent: number;
  readonly percent: number;
}

const PODS = 40;
const PROCESSES_PER_POD = 5;
/** The default of `remeasureInterval`. */
const INTERVAL_SECONDS = 30;
const INTERVALS = 4;
/** After the last start: what starts cause is over. */
const SETTLE_MS = 10_000;

/**
 * Processor time of the agent while it measures 200 processes again every 30 seconds: 40 pods of a selector module, each of
 * five processes of one program, which has as many libraries as Node.js.
 */
export async function measureRemeasure(): Promise<Remeasure> {
  const scene = new Scene('bench-remeasure');
  const idlePercent = await agentPercent(INTERVAL_SECONDS);
  await scene.open();
  try {
    const { reference, command } = await pushProgram(scene);
    const digest = reference.slice(reference.indexOf('@') + 1);
    const selector = { matchLabels: { app: 'many' } };
    await scene.apply(
      scene.object('EdgeModule', 'many', {
        selector,
        images: [{ digest }],
        remeasureInterval: `${INTERVAL_SECONDS}s`,
      }),
      scene.object('ModuleIdentity', 'many', { moduleRef: { name: 'many' } }),
    );
    const names = Array.from({ length: PODS }, (_, index) => `many-${index}`);
    for (const name of names) {
      await scene.apply(scene.pod(name, { app: 'many' }, { image: reference, command }));
      const { containerId = '' } = await scene.holder(
        'many',
        'Allowed',
        ({ pod, pid }) => pod === name && pid !== undefined,
      );
      await until(`processes of ${name}`, 30, () => {
        const found = processesOfContainer(containerId).length;
        return Promise.resolve(found === PROCESSES_PER_POD ? (true as const) : `${found}`);
      });
    }
    await setTimeout(SETTLE_MS);
    const percent = await agentPercent(INTERVALS * INTERVAL_SECONDS);
    const processes = PODS * PROCESSES_PER_POD;
    return { processes, pods: PODS, intervalSeconds: INTERVAL_SECONDS, idlePercent, percent };
  } finally {
    await scene.close();
  }
}

async function agentPercent(seconds: number): Promise<number> {
  const pids = pidsOf('agent');
  const before = processorMs(pids);
  await setTimeout(seconds * 1000);
  return Math.round((processorMs(pids) - before) / seconds) / 10;
}

async function pushProgram(scene: Scene): Promise<{ reference: string; command: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-remeasure-'));
  try {
    const program = join(folder, 'remeasure');
    execFileSync('gcc', ['-O1', '-o', program, join(import.meta.dirname, 'remeasure.c')]);
    const libraries = await sharedLibraries([program, process.execPath]);
    const file = (path: string, source: string): TarEntry => ({
      kind: 'file',
      path,
      mode: 0o755,
      content: readFileSync(source),
    });
    const layer = await packLayer([
      file('remeasure', program),
      ...libraries.map(({ path, source }) => file(path.slice(1), source)),
    ]);
    const image = makeImage([layer], { entrypoint: ['/remeasure'], user: '1000:1000', labels: {} });
    const { reference } = await pushImage(image, 'bench', { registry: scene.lab.registry, name: 'keystead/remeasure' });
    const names = libraries.map(({ path }) => basename(path)).filter((name) => !name.startsWith('ld-'));
    return { reference, command: ['/remeasure', String(PROCESSES_PER_POD), ...names] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
