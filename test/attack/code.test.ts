// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { pushImage } from '../../src/build/image/registry.ts';
import { ALL_FILES, PUBLIC_FILES } from '../e2e/harness.ts';
import { attackerImage, type AttackerImage } from './attacker-image.ts';
import { AttackScene } from './attack.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackScene('code');
let attacker: AttackerImage;
let reference: string;
beforeAll(async () => {
  await scene.open();
  attacker = await attackerImage();
  const repository = { registry: scene.lab.registry, name: 'keystead/attacker' };
  ({ reference } = await pushImage(attacker.image, 'latest', repository));
}, 120_000);
afterAll(() => scene.close(), 180_000);

interface Setting {
  readonly spec?: object;
  readonly container?: object;
  readonly pod?: object;
}

/** Starts the attacker as a module that behaves, which is the positive control, and gives the entry of its identity. */
async function behaving(name: string, command: readonly string[], setting: Setting = {}) {
  const images = [{ digest: attacker.image.index.digest }];
  await scene.apply(...scene.claim(name, { images, ...setting.spec }));
  const { container = {}, pod: spec = {} } = setting;
  const change = { image: reference, command, container, spec };
  await scene.apply(scene.pod(name, { app: name }, change));
  const held = await scene.holder(name, 'Allowed');
  await scene.filesAre(name, ALL_FILES);
  return held;
}

/** Has it begin its attack, and expects the identity to be taken back. */
async function caught(name: string, command: readonly string[], reason: string, setting: Setting = {}) {
  const held = await behaving(name, command, setting);
  await scene.begin(held.podUid);
  const denied = await scene.takenBack(name, held, reason);
  await scene.remove(name);
  return denied;
}

/** An attack in shell, after the sign to begin. The loop is that of a module that behaves. */
const shell = (script: string): string[] => [
  '/bin/sh',
  '-c',
  `while [ ! -e /tmp/go ]; do sleep 0.2; done\n${script}\nexec sleep 1000000`,
];

/** A module whose one program is listed: a shell of its own image is then a foreign program. */
const onlyItself = (): object => ({ process: { executables: [{ path: '/app/attacker', sha256: attacker.sha256 }] } });

describe('code that is not of the image is noticed:', () => {
  for (const [what, how, found] of [
    ['a program in memory', 'memory', '/memfd:sleep (deleted) from anonymous'],
    ["the image's program with one byte more", 'replaced', '/app/tool from writable'],
    ['a library that was deleted after it was loaded', 'deleted-library', '/tmp/gone.so from deleted'],
    ["another program put over the image's in a mount namespace of its own", 'bind-mount', 'from foreign'],
    ['a text of its own over its /proc/self/cgroup; the node reads the kernel', 'forged-proc', 'from foreign'],
  ] as const) {
    attack(what, async () => {
      const denied = await caught(how, ['/app/attacker', how], 'CodeNotFromImage');
      expect(denied.message).toContain(found);
    });
  }

  for (const [what, name, script, found] of [
    ['a dropped program', 'dropped', '/tmp/sleep 1000 &', '/tmp/sleep from writable'],
    ['a dropped program that leaves its session', 'setsid', 'busybox setsid /tmp/sleep 1000 &', 'from writable'],
    ['a dropped program whose parents are gone', 'orphan', '(sh -c "/tmp/sleep 1000 & exit" &)', 'from writable'],
    [
      'a program that deletes itself',
      'gone',
      '/tmp/sleep 1000 & sleep 0.1; busybox rm /tmp/sleep',
      /from (deleted|writable)/,
    ],
    [
      'a program whose name says that it was deleted',
      'lookalike',
      'cd /tmp; busybox mv sleep "box (deleted)"; busybox ln -s "box (deleted)" sleep; /tmp/sleep 1000 &',
      'from deleted',
    ],
  ] as const) {
    attack(what, async () => {
      const denied = await caught(name, shell(`busybox cp /bin/busybox /tmp/sleep\n${script}`), 'CodeNotFromImage');
      // What a look finds before the deletion is no better.
      expect(denied.message).toMatch(found);
    });
  }

  const identity = { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } };
  const volumes = [identity, { name: 'data', emptyDir: {} }];
  const data = { name: 'data', mountPath: '/data' };
  const volumeMounts = [{ name: 'identity', mountPath: '/var/run/keystead', readOnly: true }, data];

  attack('a library on a volume, while the same library of the image is none', async () => {
    const setting = { container: { volumeMounts }, pod: { volumes } };
    const control = await behaving('own-library', ['/app/attacker', 'own-library'], setting);
    await scene.begin(control.podUid);
    const denied = await caught('volume-library', ['/app/attacker', 'volume-library'], 'CodeNotFromImage', setting);
    expect(denied.message).toContain('/data/harmless.so from foreign');
    await scene.filesAre('own-library', ALL_FILES);
    await scene.remove('own-library');
  });

  attack('a preloaded library on a volume, from the first look on', async () => {
    const command = ['/bin/busybox', 'cp', '/lib/harmless.so', '/data/'];
    const fill = { name: 'fill', image: reference, command, volumeMounts: [data] };
    await scene.apply(...scene.claim('preload', { images: [{ digest: attacker.image.index.digest }] }));
    const pod = (name: string, env: object[]): object => {
      const container = { volumeMounts, env };
      const spec = { volumes, initContainers: [fill] };
      return scene.pod(name, { app: 'preload' }, { image: reference, command: ['/app/attacker'], container, spec });
    };
    const env = [{ name: 'LD_PRELOAD', value: '/data/harmless.so' }];
    await scene.apply(pod('preload-attacker', env), pod('preload-honest', []));
    await scene.holder('preload', 'Allowed', (holder) => holder.pod === 'preload-honest');
    const denied = await scene.holder('preload', 'Denied', (holder) => holder.pod === 'preload-attacker');
    expect(denied).toMatchObject({ reason: 'CodeNotFromImage' });
    expect(denied.message).toContain('/data/harmless.so from foreign');
    await scene.filesAre('preload-attacker', PUBLIC_FILES);
    await scene.remove('preload-attacker', 'preload-honest');
  });
});

describe('a program of the image that the module does not list takes the identity away:', () => {
  attack('by exec in the place of the module', async () => {
    await caught('instead', ['/app/attacker', 'other-program'], 'ExecutableNotAllowed', { spec: onlyItself() });
  });

  for (const [what, name, command] of [
    ['a shell', 'shell', ['/bin/sh', '-c', 'sleep 1000']],
    ['a shell that forks twice', 'twice', ['/bin/sh', '-c', '(sh -c "sleep 1000 &" &)']],
    ['a shell in a session of its own', 'session', ['/bin/busybox', 'setsid', 'sh', '-c', 'sleep 1000']],
    ['the same program under another path', 'twin', ['/app/twin']],
  ] as const) {
    attack(`${what}, executed in the pod by somebody who may`, async () => {
      const pod = `exec-${name}`;
      const held = await behaving(pod, ['/app/attacker'], { spec: onlyItself() });
      const running = scene.run('exec', pod, '--', ...command).catch(String);
      await scene.takenBack(pod, held, 'ExecutableNotAllowed');
      await scene.remove(pod);
      await running;
    });
  }
});

describe('a process that was put into the container from outside takes the identity away:', () => {
  for (const [what, name, command] of [
    ['a shell', 'shell', ['/bin/sh', '-c', 'sleep 1000']],
    [
      'a shell that forks twice and leaves its parents',
      'twice',
      ['/bin/sh', '-c', '(sh -c "sleep 1000 &" &); sleep 1000'],
    ],
    ["the module's own program", 'own', ['/app/attacker']],
  ] as const) {
    attack(`${what}, though the module lists no executables`, async () => {
      const pod = `entered-${name}`;
      const held = await behaving(pod, ['/app/attacker']);
      const running = scene.run('exec', pod, '--', ...command).catch(String);
      const denied = await scene.takenBack(pod, held, 'LineageMismatch');
      expect(denied.message).toContain('executed in the container from outside');
      await scene.remove(pod);
      await running;
    });
  }

  attack('LIMIT: not a shell that has left its parents and its session', async () => {
    const held = await behaving('escaped', ['/app/attacker']);
    await scene.run('exec', 'escaped', '--', '/bin/busybox', 'setsid', 'sh', '-c', 'sleep 1000');
    await new Promise((done) => setTimeout(done, 2_500));
    expect(await scene.holder('escaped', 'Allowed')).toMatchObject({ podUid: held.podUid });
    await scene.remove('escaped');
  });

  attack('but not where the module allows it, nor what the pod declares as a probe', async () => {
    const held = await behaving('let-in', ['/app/attacker'], { spec: { process: { allowExec: true } } });
    const running = scene.run('exec', 'let-in', '--', '/bin/sh', '-c', 'sleep 1000').catch(String);
    const exec = { command: ['/bin/sh', '-c', 'sleep 1'] };
    const container = { readinessProbe: { exec, periodSeconds: 1, timeoutSeconds: 5 } };
    const probed = await behaving('probed', ['/app/attacker'], { container });
    await scene.run('wait', '--for=condition=Ready', 'pod/probed', '--timeout=60s');
    // Several measurements pass, some of them while the probe runs.
    await new Promise((done) => setTimeout(done, 4_000));
    expect(await scene.holder('let-in', 'Allowed')).toMatchObject({ serial: held.serial });
    expect(await scene.holder('probed', 'Allowed')).toMatchObject({ serial: probed.serial, since: probed.since });
    await scene.remove('let-in', 'probed');
    await running;
  });
});

describe('another command of the right image is refused', () => {
  const command = ['/bin/sh', '-c', 'cat /var/run/keystead/tls.key; sleep 1000000'];

  attack('where the module lists its command lines', async () => {
    const commands = [{ argv: ['/bin/sleep', '1000000'] }];
    const denied = await scene.refuses('recommanded', { command }, 'CommandNotAllowed', {
      spec: { process: { commands } },
    });
    expect(denied.message).toContain('expected command line ["/bin/sleep","1000000"]');
  });

  attack('LIMIT: but not in a selector module that lists none', async () => {
    await scene.apply(...scene.claim('uncommanded'));
    await scene.apply(scene.pod('uncommanded', { app: 'uncommanded' }, { command }));
    await scene.holder('uncommanded', 'Allowed');
    await scene.filesAre('uncommanded', ALL_FILES);
    await scene.remove('uncommanded');
  });
});
