// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { nodeReady } from './cluster.ts';
import { run, succeeds } from './command.ts';
import { containerdDaemon, containerdSocket, importImage, runtimePrograms } from './containerd.ts';
import { startDaemon } from './daemon.ts';
import { kubeletDaemon } from './node.ts';
import { PAUSE_IMAGE, writePauseImage } from './pause-image.ts';
import type { Progress } from './progress.ts';
import type { LabSettings, RuntimeChoice } from './settings.ts';
import { waitFor } from './wait.ts';

/** Starts containerd, unless it runs, and resolves when it can make pods. */
export async function startRuntime(settings: LabSettings, choice: RuntimeChoice, progress: Progress): Promise<void> {
  await startDaemon(settings, containerdDaemon(settings, choice));
  const ctr = (...args: string[]) => [`--address=${containerdSocket(settings)}`, '--namespace=k8s.io', ...args];
  const program = runtimePrograms(settings, choice).ctr;
  await waitFor(settings, {
    what: 'containerd that answers',
    daemons: ['containerd'],
    check: () => succeeds(program, ctr('--timeout=5s', 'version')),
    timeoutMs: 60_000,
  });
  if ((await run(program, ctr('images', 'list', '-q', `name==${PAUSE_IMAGE}`))).trim() === '') {
    const archive = join(settings.dir, 'pause.tar');
    await writePauseImage(archive);
    await importImage(settings, choice, archive);
  }
  progress.say('containerd is ready');
}

/** Starts the kubelet, unless it runs, and resolves when a pod can be scheduled to its node. */
export async function startKubelet(settings: LabSettings, daemons: readonly string[]): Promise<void> {
  await startDaemon(settings, kubeletDaemon(settings));
  await waitFor(settings, {
    what: 'node that is Ready',
    daemons: ['kubelet', 'containerd', ...daemons],
    check: () => nodeReady(settings),
    timeoutMs: 120_000,
  });
}
