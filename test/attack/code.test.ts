// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { ALL_FILES, PUBLIC_FILES } from '../e2e/harness.ts';
import { AttackerScene, shell } from './attacker-scene.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackerScene('code');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

/** A module whose one program is listed: a shell of its own image is then a foreign program. */
const onlyItself = (more: object = {}): object => ({
  process: { executables: [{ path: '/app/attacker', sha256: scene.attacker.sha256 }], ...more },
});

describe('code that is not of the image is noticed:', () => {
  for (const [what, how, found] of [
    ['a program in memory', 'memory', '/memfd:sleep (deleted) from anonymous'],
    ["the image's program with one byte more", 'replaced', '/app/tool from writable'],
    ['a library that was deleted after it was loaded', 'deleted-library', '/tmp/gone.so from deleted'],
    ["another program put over the image's in a mount namespace of its own", 'bind-mount', 'from foreign'],
    ['a text of its own over its /proc/self/cgroup; the node reads the kernel', 'forged-proc', 'from foreign'],
    ['a text of its own over its /proc/self/mountinfo, likewise', 'forged-mounts', 'from foreign'],
  ] as const) {
    attack(what, async () => {
      const denied = await scene.caught(how, ['/app/attacker', how], 'CodeNotFromImage');
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
      'a sparse program that is larger than what is hashed',
      'sparse',
      'busybox truncate -s 3G /tmp/sleep; /tmp/sleep 1000 &',
      '/tmp/sleep from writable',
    ],
    [
      'a program whose name says that it was deleted',
      'lookalike',
      'cd /tmp; busybox mv sleep "box (deleted)"; busybox ln -s "box (deleted)" sleep; /tmp/sleep 1000 &',
      'from deleted',
    ],
  ] as const) {
    attack(what, async () => {
      const denied = await scene.caught(
        name,
        shell(`busybox cp /bin/busybox /tmp/sleep\n${script}`),
        'CodeNotFromImage',
      );
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
    const control = await scene.behaving('own-library', ['/app/attacker', 'own-library'], setting);
    await scene.begin(control.podUid);
    const denied = await scene.caught(
      'volume-library',
      ['/app/attacker', 'volume-library'],
      'CodeNotFromImage',
      setting,
    );
    expect(denied.message).toContain('/data/harmless.so from foreign');
    await scene.filesAre('own-library', ALL_FILES);
    await scene.remove('own-library');
  });

  attack('a preloaded library on a volume, from the first look on', async () => {
    const command = ['/bin/busybox', 'cp', '/lib/harmless.so', '/data/'];
    const fill = { name: 'fill', image: scene.reference, command, volumeMounts: [data] };
    await scene.apply(...scene.claim('preload', { images: [{ digest: scene.attacker.image.index.digest }] }));
    const pod = (name: string, env: object[]): object => {
      const container = { volumeMounts, env };
      const spec = { volumes, initContainers: [fill] };
      return scene.pod(
        name,
        { app: 'preload' },
        { image: scene.reference, command: ['/app/attacker'], container, spec },
      );
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
    await scene.caught('instead', ['/app/attacker', 'other-program'], 'ExecutableNotAllowed', { spec: onlyItself() });
  });

  for (const [what, name, command] of [
    ['a shell', 'shell', ['/bin/sh', '-c', 'sleep 1000']],
    ['a shell that forks twice', 'twice', ['/bin/sh', '-c', '(sh -c "sleep 1000 &" &)']],
    ['a shell in a session of its own', 'session', ['/bin/busybox', 'setsid', 'sh', '-c', 'sleep 1000']],
    ['the same program under another path', 'twin', ['/app/twin']],
  ] as const) {
    attack(`${what}, executed in the pod by somebody who may, though the module lets him`, async () => {
      const pod = `exec-${name}`;
      const held = await scene.behaving(pod, ['/app/attacker'], { spec: onlyItself({ allowExec: true }) });
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
      const held = await scene.behaving(pod, ['/app/attacker']);
      const running = scene.run('exec', pod, '--', ...command).catch(String);
      const denied = await scene.takenBack(pod, held, 'LineageMismatch');
      expect(denied.message).toContain('executed in the container from outside');
      await scene.remove(pod);
      await running;
    });
  }

  attack('a shell that leaves its parents and its session, and ends at once', async () => {
    const held = await scene.behaving('escaped', ['/app/attacker']);
    const script = 'busybox setsid sleep 1000 </dev/null >/dev/null 2>&1 &';
    await scene.run('exec', 'escaped', '--', '/bin/sh', '-c', script);
    await scene.takenBack('escaped', held, 'LineageMismatch');
    await scene.remove('escaped');
  });

  attack('but not where the module allows it, nor what the pod declares as a probe', async () => {
    const held = await scene.behaving('let-in', ['/app/attacker'], { spec: { process: { allowExec: true } } });
    const running = scene.run('exec', 'let-in', '--', '/bin/sh', '-c', 'sleep 1000').catch(String);
    const exec = { command: ['/bin/sh', '-c', 'sleep 1'] };
    const container = { readinessProbe: { exec, periodSeconds: 1, timeoutSeconds: 5 } };
    const probed = await scene.behaving('probed', ['/app/attacker'], { container });
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
