// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { ALL_FILES, PUBLIC_FILES } from '../e2e/harness.ts';
import { AttackerScene, shell } from './attacker-scene.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackerScene('tamper');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

describe('what is done to a process of the right program is noticed:', () => {
  for (const [what, how, found] of [
    ['a debugger that stays', 'traced', 'traces it'],
    ['code that a debugger has written into it before it left', 'injected', 'in the code of /app/attacker'],
    ['a library that was loaded from memory', 'memory-library', 'which is in memory alone'],
  ] as const) {
    attack(what, async () => {
      const denied = await scene.caught(how, ['/app/attacker', how], 'ProcessTampered');
      // While it writes it is a debugger itself.
      expect(denied.message).toMatch(how === 'injected' ? /in the code of \/app\/attacker|traces it/ : found);
    });
  }

  attack('executable memory without a file, where the module minds; a compiler has it where it does not', async () => {
    const control = await scene.behaving('compiling', ['/app/attacker', 'compiled']);
    await scene.begin(control.podUid);
    const spec = { process: { signals: { anonymousCode: 'Refuse' } } };
    const denied = await scene.caught('compiled', ['/app/attacker', 'compiled'], 'ProcessTampered', { spec });
    expect(denied.message).toContain('4096 bytes of executable memory without a file');
    expect(await scene.holder('compiling', 'Allowed')).toMatchObject({ serial: control.serial });
    await scene.remove('compiling');
  });
});

/** What the containers of the attacking and of the honest pod have, and what their module demands. */
interface Beside {
  readonly attacking: object;
  readonly honest?: object;
  readonly spec?: object;
}

describe('what comes with the pod is refused from the first look on:', () => {
  /** An attacking pod beside an honest one of the same module. */
  async function refused(name: string, reason: string, { attacking, honest = {}, spec = {} }: Beside) {
    const command = ['/app/attacker'];
    const [bad, good] = [`${name}-attacker`, `${name}-honest`];
    await scene.declare(name, { spec });
    await scene.apply(scene.attackerPod(bad, name, command, { container: attacking }));
    await scene.apply(scene.attackerPod(good, name, command, { container: honest }));
    await scene.holder(name, 'Allowed', ({ pod }) => pod === good);
    const denied = await scene.holder(name, 'Denied', ({ pod }) => pod === bad);
    expect(denied).toMatchObject({ reason });
    // Without NRI's hold it may have been given before its process could be measured; then it was taken back.
    await scene.filesAre(bad, PUBLIC_FILES);
    await scene.filesAre(good, ALL_FILES);
    await scene.remove(bad, good);
    return denied;
  }

  attack('a preloaded library, though it is of the image', async () => {
    const env = [{ name: 'LD_PRELOAD', value: '/lib/harmless.so' }];
    const denied = await refused('preloading', 'ProcessTampered', { attacking: { env } });
    expect(denied.message).toContain('found LD_PRELOAD=/lib/harmless.so');
  });

  attack('a capability that the module does not list', async () => {
    const root = { runAsUser: 0, runAsGroup: 0 };
    const drop = { ...root, capabilities: { drop: ['ALL'] } };
    const denied = await refused('capable', 'CredentialsMismatch', {
      attacking: { securityContext: { ...root, capabilities: { drop: ['ALL'], add: ['SYS_PTRACE'] } } },
      honest: { securityContext: drop },
      spec: { process: { capabilities: [] } },
    });
    expect(denied.message).toContain('expected capabilities none, found SYS_PTRACE');
  });

  attack('a process that may gain privileges, where the module demands that it cannot', async () => {
    await refused('privileges', 'CredentialsMismatch', {
      attacking: { securityContext: { allowPrivilegeEscalation: true } },
      honest: { securityContext: { allowPrivilegeEscalation: false } },
      spec: { process: { noNewPrivileges: true } },
    });
  });

  attack('no seccomp filter, where the module demands one', async () => {
    await refused('unfiltered', 'CredentialsMismatch', {
      attacking: { securityContext: { seccompProfile: { type: 'Unconfined' } } },
      honest: { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
      spec: { process: { seccomp: true } },
    });
  });

  attack('a privileged container', async () => {
    const denied = await refused('almighty', 'PodNotBound', { attacking: { securityContext: { privileged: true } } });
    expect(denied.message).toContain('the module container privileged');
  });
});

describe('a script that is not of the image is noticed:', () => {
  for (const [what, name, script, found] of [
    [
      'a dropped one',
      'script',
      'cp /app/entry.sh /tmp/x.sh; sh /tmp/x.sh &',
      'script /tmp/x.sh of /bin/busybox from writable',
    ],
    [
      'one by a link that leads out of the image',
      'link',
      'busybox ln -s /data/x.sh /tmp/x; cp /app/entry.sh /data/x.sh; sh /tmp/x &',
      'from writable',
    ],
    [
      'one that deletes itself',
      'burnt',
      'cp /app/entry.sh /tmp/x.sh; sh /tmp/x.sh & sleep 0.3; busybox rm /tmp/x.sh',
      /from (writable|deleted)/,
    ],
    [
      'one out of a FIFO, which holds up nobody but its reader',
      'fifo',
      'busybox mkfifo /tmp/x; sh /tmp/x &',
      'from writable',
    ],
  ] as const) {
    attack(what, async () => {
      const denied = await scene.caught(name, shell(script.replaceAll('cp ', 'busybox cp ')), 'CodeNotFromImage');
      expect(denied.message).toMatch(found);
    });
  }

  attack('but not one of the image', async () => {
    const held = await scene.behaving('own-script', ['/bin/sh', '/app/entry.sh']);
    await new Promise((done) => setTimeout(done, 2_500));
    expect(await scene.holder('own-script', 'Allowed')).toMatchObject({ serial: held.serial });
    await scene.remove('own-script');
  });
});
