// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ALL_FILES } from '../e2e/harness.ts';
import { AttackScene } from './attack.ts';

const scene = new AttackScene('volume');
const ROOT = { securityContext: { runAsUser: 0, runAsGroup: 0 } };
beforeAll(async () => {
  await scene.open();
  for (const [name, container] of [
    ['user', {}],
    ['root', ROOT],
  ] as const) {
    // What is tried here is executed in the module.
    const spec = { process: { allowExec: true } };
    await scene.apply(...scene.claim(name, spec), scene.pod(name, { app: name }, { container }));
    await scene.holder(name, 'Allowed');
    await scene.filesAre(name, ALL_FILES);
  }
}, 120_000);
afterAll(() => scene.close(), 60_000);

const LIMIT = 60_000;

/** Even root in the container is tried: the volume is read-only by its mount, not by its modes alone. */
describe.each(['user', 'root'])('a module that runs as %s, in its own volume', (pod) => {
  const shell = (script: string): Promise<string> => scene.run('exec', pod, '--', '/bin/sh', '-c', script);

  it.each([
    ['write a file', 'echo x > /var/run/keystead/x', /Read-only file system/],
    ['replace its key', 'echo x > /var/run/keystead/tls.key', /Read-only file system|Permission denied/],
    ['remove the trust bundle', 'busybox rm /var/run/keystead/ca.crt', /Read-only file system/],
    ['lay a link where the next revision goes', 'busybox ln -s /etc /var/run/keystead/..next', /Read-only file system/],
    [
      'turn the link to its files elsewhere',
      'busybox rm /var/run/keystead/..data && busybox ln -s /tmp /var/run/keystead/..data',
      /Read-only file system/,
    ],
    ['move the folder away', 'busybox mv /var/run/keystead /var/run/away', /busy|denied|Read-only|not permitted/],
    ['make it writable', 'busybox mount -o remount,rw /var/run/keystead', /denied|not permitted|must be root/i],
    [
      'put another volume over it',
      'busybox mount -t tmpfs none /var/run/keystead',
      /denied|not permitted|must be root/i,
    ],
  ])(
    'cannot %s',
    async (_what, script, message) => {
      await expect(shell(script)).rejects.toThrow(message);
      await scene.filesAre(pod, ALL_FILES);
    },
    LIMIT,
  );

  it(
    'can do all that elsewhere, so that the refusals are the volume',
    async () => {
      const script =
        'echo x > /tmp/x && busybox ln -sfn /etc /tmp/link && busybox rm /tmp/x && busybox mv /tmp/link /tmp/away';
      await expect(shell(script)).resolves.toBe('');
      await expect(shell('cat /var/run/keystead/tls.key')).resolves.toContain('PRIVATE KEY');
    },
    LIMIT,
  );
});
