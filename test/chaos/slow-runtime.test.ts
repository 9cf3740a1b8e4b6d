// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pushGoClient } from '../clients/go-client.ts';
import { Scene, until } from '../e2e/harness.ts';
import { daemonPid } from './processes.ts';

/** A container runtime that has little of the processor: it tells that a container runs long after its program has begun. */
const STOPPED_MS = 150;
const GOES_ON_MS = 50;
const PODS = Array.from({ length: 10 }, (_, number) => `early-${number}`);

const scene = new Scene('slow-runtime');
let image: string;
let other: string;
beforeAll(async () => {
  await scene.open();
  const source = join(import.meta.dirname, '../clients/go-spiffe');
  [image = '', other = ''] = await pushGoClient(source, ['module', 'other'], scene.lab.registry);
}, 300_000);
afterAll(() => scene.leave(), 180_000);

function client(name: string, reference: string): object {
  const container = {
    env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' }],
    volumeMounts: [{ name: 'identity', mountPath: '/var/run/keystead', readOnly: true }],
  };
  const volumes = [{ name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } }];
  return scene.pod(name, { app: 'early' }, { image: reference, command: ['/client'], container, spec: { volumes } });
}

/** Stops containerd again and again until the promise settles. */
async function stuttering<T>(done: Promise<T>): Promise<T> {
  const pid = daemonPid(scene.lab, 'containerd');
  const over = new AbortController();
  void Promise.allSettled([done]).then(() => over.abort());
  try {
    while (!over.signal.aborted) {
      process.kill(pid, 'SIGSTOP');
      await sleep(STOPPED_MS);
      process.kill(pid, 'SIGCONT');
      await sleep(GOES_ON_MS);
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return done;
}

/** What a client says of its first call that was answered, and of those before that. */
function firstCalls(pod: string, pattern: RegExp): Promise<{ log: string }> {
  return until(`${pattern.source} in the log of ${pod}`, 120, async () => {
    const log = await scene.run('logs', pod).catch(String);
    return pattern.test(log) ? { log } : log.slice(0, 500);
  });
}

describe('while the container runtime tells late of what it does', () => {
  it('a module that calls before that waits, and is not refused; one of another image is', async () => {
    const digest = image.slice(image.indexOf('@') + 1);
    await scene.apply(
      scene.object('EdgeModule', 'early', { selector: { matchLabels: { app: 'early' } }, images: [{ digest }] }),
      scene.object('ModuleIdentity', 'early', { moduleRef: { name: 'early' }, delivery: ['Volume', 'Socket'] }),
    );
    const calls = async (): Promise<string[]> => {
      await scene.apply(...PODS.map((name) => client(name, image)), client('stranger', other));
      const { log } = await firstCalls('stranger', /^fetch-error/m);
      expect(log).toMatch(/^fetch-error .*ImageDigestMismatch/m);
      return Promise.all(PODS.map(async (name) => (await firstCalls(name, /^first-ms/m)).log));
    };
    for (const log of await stuttering(calls())) expect(log).not.toMatch(/^fetch-error/m);
  }, 240_000);
});
