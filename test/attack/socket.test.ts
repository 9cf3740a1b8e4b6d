// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { processesOfPod } from '../e2e/pod-processes.ts';
import { volumeOf } from '../e2e/withdrawal-time.ts';
import { AttackerScene, type Setting } from './attacker-scene.ts';
import { grpcAnswer, type GrpcAnswer } from './grpc-answer.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackerScene('socket');
const SOCKET = '/var/run/keystead/spiffe.sock';
const PERMISSION_DENIED = 7;
const SOCKETS = { identity: { delivery: ['Socket'] } };
let victim: Awaited<ReturnType<AttackerScene['behaving']>>;
beforeAll(async () => {
  await scene.open();
  victim = await scene.behaving('victim', ['/app/caller', 'fetch', SOCKET], SOCKETS);
}, 180_000);
afterAll(() => scene.close(), 60_000);

/** The answers that the caller in a pod has told of, once there are so many. */
async function answers(pod: string, count = 1): Promise<GrpcAnswer[]> {
  const told = await scene.eventually(async () => {
    const lines = (await scene.run('logs', pod).catch(String)).match(/^answer .*$/gm) ?? [];
    return lines.length < count ? '' : lines.join('\n');
  });
  return Promise.all(told.split('\n').map((line) => grpcAnswer(Buffer.from(line.slice('answer '.length), 'hex'))));
}

/** A module with a socket behaves, then calls in this way. */
async function calling(how: string, count = 1, setting: Setting = {}): Promise<GrpcAnswer[]> {
  const held = await scene.behaving(how, ['/app/caller', how, SOCKET], { ...SOCKETS, ...setting });
  await scene.begin(held.podUid);
  const found = await answers(how, count);
  await scene.remove(how);
  return found;
}

const served = (answer: GrpcAnswer | undefined): void => {
  expect(answer).toMatchObject({ status: undefined });
  expect(answer!.bytes).toBeGreaterThan(500);
};

const refused = (answer: GrpcAnswer | undefined, reason: string): void => {
  expect(answer).toMatchObject({ status: PERMISSION_DENIED, bytes: 0 });
  expect(answer!.message).toContain(`${reason}: `);
};

/** Has the next process in a container's pid namespace get this number, as if all others had been used up. */
function nextPid(containerPid: number, pid: number): void {
  const script = `mount -t proc proc /proc && echo ${pid - 1} > /proc/sys/kernel/ns_last_pid`;
  const within = ['--target', String(containerPid), '--pid', '--', 'unshare', '--mount', 'sh', '-ec', script];
  execFileSync('nsenter', within);
}

const onlyItself = (): object => ({
  spec: { process: { executables: [{ path: '/app/caller', sha256: scene.attacker.callerSha256 }] } },
});

describe('who speaks over a connection is the one that is judged:', () => {
  attack('the module itself is served, which is the control of all others', async () => {
    await scene.begin(victim.podUid);
    served((await answers('victim'))[0]);
  });

  attack('another program that takes the place of the one that connected is refused', async () => {
    refused((await calling('exec', 1, onlyItself()))[0], 'ExecutableNotAllowed');
  });

  attack('a child that inherits the connection of a parent that has ended is refused', async () => {
    refused((await calling('inherited'))[0], 'CallerGone');
  });

  attack(
    'who was passed the connection of a process that has ended is refused, on its own one it is served',
    async () => {
      const [passed, own] = await calling('passed', 2);
      refused(passed, 'CallerGone');
      served(own);
    },
  );

  attack(
    'a process that was given the number of one that has connected and ended is refused; its own is served',
    async () => {
      const held = await scene.behaving('reused', ['/app/caller', 'reused', SOCKET], SOCKETS);
      await scene.begin(held.podUid);
      const ended = await scene.eventually(
        async () => /^ended \d+$/m.exec(await scene.run('logs', 'reused'))?.[0] ?? '',
      );
      nextPid(held.pid!, Number(ended.slice('ended '.length)));
      const [reused, own] = await answers('reused', 2);
      refused(reused, 'CallerGone');
      served(own);
      await scene.remove('reused');
    },
  );

  attack(
    'one whose file was replaced after its last call is refused at the next, long before it is measured again',
    async () => {
      const setting = {
        spec: { process: { uid: 0 }, remeasureInterval: '10m' },
        container: { securityContext: { runAsUser: 0, runAsGroup: 0 } },
      };
      const [before, after] = await calling('replaced', 2, setting);
      served(before);
      refused(after, 'CodeNotFromImage');
      expect(after!.message).toContain('/app/caller from deleted');
    },
  );

  attack('one that takes another uid after it has connected is refused', async () => {
    const setting = { spec: { process: { uid: 0 } }, container: { securityContext: { runAsUser: 0, runAsGroup: 0 } } };
    refused((await calling('setuid', 1, setting))[0], 'CredentialsMismatch');
  });

  attack('a program of the image that somebody executes in the pod is refused', async () => {
    await scene.behaving('entered', ['/app/caller', 'fetch', SOCKET], SOCKETS);
    const running = scene
      .run('exec', 'entered', '--', '/bin/sh', '-c', `/app/caller now ${SOCKET} >/proc/1/fd/1`)
      .catch(String);
    refused((await answers('entered'))[0], 'LineageMismatch');
    await scene.remove('entered');
    await running;
  });

  attack(
    'a thousand connections that never say what they want hold up neither others nor, once ended, the pod itself',
    async () => {
      const held = await scene.behaving('flood', ['/app/caller', 'flood', SOCKET], SOCKETS);
      const beside = await scene.behaving('beside', ['/app/caller', 'fetch', SOCKET], SOCKETS);
      await scene.begin(held.podUid);
      const open = await scene.eventually(async () => /^open \d+$/m.exec(await scene.run('logs', 'flood'))?.[0] ?? '');
      expect(Number(open.slice('open '.length))).toBeLessThanOrEqual(256);
      await scene.begin(beside.podUid);
      served((await answers('beside'))[0]);
      for (const pid of processesOfPod(held.podUid).slice(-1)) writeFileSync(`/proc/${pid}/root/tmp/enough`, '');
      served((await answers('flood'))[0]);
      await scene.remove('flood', 'beside');
    },
  );
});

const victimVolume = (): string => volumeOf(scene.lab.kubeletRoot, victim.podUid);

describe("a neighbour's socket is of no use to another pod, though it reaches it", () => {
  /** A module of its own, which calls the victim's socket. */
  async function reaching(name: string, command: readonly string[], setting: Setting): Promise<GrpcAnswer | undefined> {
    await scene.declare(name, SOCKETS);
    const identity = { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true } };
    const host = { name: 'host', hostPath: { path: victimVolume(), type: 'Directory' } };
    const volumeMounts = [
      { name: 'identity', mountPath: '/var/run/keystead', readOnly: true },
      { name: 'host', mountPath: '/neighbour' },
    ];
    const spec = { volumes: [identity, host], ...setting.pod };
    await scene.apply(
      scene.attackerPod(name, name, command, { container: { volumeMounts, ...setting.container }, pod: spec }),
    );
    const [answer] = await answers(name);
    await scene.remove(name);
    return answer;
  }

  attack('by a hostPath', async () => {
    // In its first instant a container is not known to the runtime, which is another reason.
    const call = 'sleep 1; exec /app/caller now /neighbour/spiffe.sock';
    refused(await reaching('hostpath', ['/bin/sh', '-c', call], {}), 'SocketNotOwned');
  });

  attack('by a symbolic link', async () => {
    const link = 'busybox ln -s /neighbour /tmp/link; exec /app/caller now /tmp/link/spiffe.sock';
    refused(await reaching('symlink', ['/bin/sh', '-c', link], {}), 'SocketNotOwned');
  });

  attack("by the root of the neighbour's process", async () => {
    const path = `/proc/${processesOfPod(victim.podUid).at(-1)}/root${SOCKET}`;
    const container = { securityContext: { runAsUser: 0, runAsGroup: 0, privileged: true } };
    const setting = { container, pod: { hostPID: true } };
    refused(await reaching('procroot', ['/app/caller', 'now', path], setting), 'SocketNotOwned');
  });
});

describe('a static pod', () => {
  attack(
    'with image and label of a module is none: the kubelet gives it no identity volume, and others’ sockets are not its',
    async () => {
      await scene.declare('static', SOCKETS);
      const volumes = [{ name: 'host', hostPath: { path: victimVolume(), type: 'Directory' } }];
      const container = { volumeMounts: [{ name: 'host', mountPath: '/neighbour' }] };
      const command = ['/app/caller', 'now', '/neighbour/spiffe.sock'];
      const file = join(scene.lab.dir, 'static-pods', `${scene.namespace}.json`);
      const honest = scene.attackerPod('static-honest', 'static', ['/app/caller', 'fetch', SOCKET]);
      const attacking = scene.attackerPod('static', 'static', command, { container, pod: { volumes } });
      await scene.apply(honest);
      try {
        writeFileSync(file, JSON.stringify(attacking));
        const mirror = `static-${scene.lab.nodeName}`;
        refused((await answers(mirror))[0], 'SocketNotOwned');
        expect(await scene.holder('static', 'Allowed')).toMatchObject({ pod: 'static-honest' });
        const uid = await scene.run('get', 'pod', mirror, '-o', 'jsonpath={.metadata.uid}');
        const hash = await scene.run(
          'get',
          'pod',
          mirror,
          '-o',
          'jsonpath={.metadata.annotations.kubernetes\\.io/config\\.hash}',
        );
        expect(hash).toMatch(/^[0-9a-f]{32}$/);
        expect([...scene.issuedTo(uid), ...scene.issuedTo(hash)]).toEqual([]);
        // With the volume it is not even run.
        writeFileSync(file, JSON.stringify(scene.attackerPod('static-csi', 'static', command)));
        const log = join(scene.lab.logs, 'kubelet.log');
        await scene.eventually(() =>
          Promise.resolve(/static pods may not reference csidrivers/.exec(readFileSync(log, 'utf8'))?.[0] ?? ''),
        );
      } finally {
        rmSync(file, { force: true });
      }
      await scene.remove('static-honest');
    },
  );
});

describe('the network of the node', () => {
  attack('gives a pod neither a socket nor an identity more', async () => {
    const hostNetwork = { spec: { hostNetwork: true } };
    await scene.apply(...scene.claim('hostnet'));
    const other = await scene.push('b');
    await scene.apply(scene.pod('hostnet-honest', { app: 'hostnet' }, hostNetwork));
    await scene.apply(scene.pod('hostnet-attacker', { app: 'hostnet' }, { ...hostNetwork, image: other.reference }));
    await scene.holder('hostnet', 'Allowed', ({ pod }) => pod === 'hostnet-honest');
    const denied = await scene.holder('hostnet', 'Denied', ({ pod }) => pod === 'hostnet-attacker');
    expect(denied).toMatchObject({ reason: 'ImageDigestMismatch' });
    await scene.gotNothing('hostnet', 'hostnet-attacker');
    // Abstract sockets belong to the network: none of ours is there to be called.
    const sockets = await scene.run('exec', 'hostnet-attacker', '--', '/bin/cat', '/proc/net/unix');
    expect(sockets.split('\n').filter((line) => /@.*keystead/.test(line))).toEqual([]);
    await scene.remove('hostnet-honest', 'hostnet-attacker');
  });
});
