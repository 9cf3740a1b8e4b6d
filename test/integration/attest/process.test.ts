// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { incarnationOf } from '../../../src/attest/incarnation.ts';
import { processesByPlace, processesOfContainer } from '../../../src/attest/processes-of-container.ts';
import { Container, eventually, Host, imageLayer, mountOverlay, possible } from './container.ts';

jest.setTimeout(30_000);

const busyboxHash = (): string => createHash('sha256').update(readFileSync('/bin/busybox')).digest('hex');

(possible ? describe : describe.skip)('measure of a process', () => {
  let host: Host;

  beforeEach(async () => {
    host = await new Host().ready();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  async function started(): Promise<Container> {
    return Container.start(host, mountOverlay(host, [imageLayer(host)]));
  }

  it('takes hash, times and ids', async () => {
    const container = await started();
    const evidence = await host.meter().measure(container.init);
    expect(evidence).toMatchObject({
      pid: container.init,
      init: container.init,
      uid: 0,
      gid: 0,
      mixedIds: false,
      ownNamespaces: [],
      executable: { path: '/bin/busybox', sha256: busyboxHash() },
    });
    expect(evidence!.containerProblem).toMatch(/^it is in no container of a pod \(cgroup \//);
    expect(evidence!.incarnation).toBe(incarnationOf(container.init));
  });

  it.each([
    ['that does not exist', 4_194_305],
    ['of the kernel, which runs no program', 2],
  ])('is undefined for a process %s', async (_, pid) => {
    expect(await host.meter().measure(pid)).toBeUndefined();
  });

  it('is undefined for a process that has ended but is not collected', async () => {
    const script = 'import os,time\nif os.fork() == 0: os._exit(0)\ntime.sleep(1000)';
    const parent = host.start('python3', ['-c', script]).pid!;
    let zombie = 0;
    await eventually(() => {
      zombie = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8'));
      return zombie > 0 && readFileSync(`/proc/${zombie}/stat`, 'utf8').includes(') Z ');
    });
    expect(await host.meter().measure(zombie)).toBeUndefined();
  });

  it.each([
    ['os.setresuid(0, 1000, 0)', 1000, 0],
    ['os.setresgid(1000, 0, 0)', 0, 0],
    ['os.setresuid(0, 0, 1000)', 0, 0],
  ])('sees mixed ids after %s', async (call, uid, gid) => {
    const pid = host.start('python3', ['-c', `import os,time\n${call}\ntime.sleep(1000)`]).pid!;
    let evidence = await host.meter().measure(pid);
    for (const end = Date.now() + 10_000; evidence?.mixedIds !== true && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      evidence = await host.meter().measure(pid);
    }
    expect(evidence).toMatchObject({ mixedIds: true, uid, gid });
  });

  it('sees another program after an exec, also after one of the same executable', async () => {
    const container = await started();
    // Each program tells that it runs, then waits for its end to be wanted.
    const wait = (step: number): string => `echo > /tmp/at${step}; until test -e /tmp/go${step}; do sleep 0.05; done`;
    const last = `exec /bin/busybox sh -c "${wait(2)}; exec /opt/app/busybox sleep 1000"`;
    const pid = await container.start(`exec /bin/busybox sh -c '${wait(1)}; ${last}'`, '/bin/busybox');
    const meter = host.meter();
    const reached = (step: number): boolean => existsSync(`/proc/${pid}/root/tmp/at${step}`);
    await eventually(() => reached(1));
    const first = await meter.measure(pid, container.init);
    container.run('echo > /tmp/go1');
    await eventually(() => reached(2));
    const second = await meter.measure(pid, container.init);
    container.run('echo > /tmp/go2');
    await container.runs(pid, '/opt/app/busybox');
    const third = await meter.measure(pid, container.init);
    expect(second).toMatchObject({ executable: first!.executable, startTime: first!.startTime });
    expect(new Set([first, second, third].map((evidence) => evidence!.incarnation)).size).toBe(3);
    expect(third!.executable.path).toBe('/opt/app/busybox');
  });

  it.each([
    ['deleted', '/bin/busybox rm /opt/app/busybox'],
    ['replaced', '/bin/busybox cp /bin/busybox /opt/app/new; /bin/busybox mv /opt/app/new /opt/app/busybox'],
  ])('is another incarnation once the file of its program was %s, and not before', async (_, script) => {
    const container = await started();
    const pid = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    const before = incarnationOf(pid);
    container.run('/bin/busybox cp /bin/busybox /opt/app/other');
    expect(incarnationOf(pid)).toBe(before);
    container.run(script);
    expect(incarnationOf(pid)).not.toBe(before);
    expect((await host.meter().measure(pid, container.init))!.mappings[0]).toMatchObject({ origin: 'deleted' });
  });

  it('says so where the program changes all the time, and proves nothing then', async () => {
    const container = await started();
    container.run('echo "exec /bin/busybox sh /srv/loop" > /srv/loop');
    const pid = await container.start('exec /bin/busybox sh /srv/loop', '/bin/busybox');
    const meter = host.meter();
    const seen = new Set<string>();
    for (let round = 0; round < 50; round++) {
      const evidence = await meter.measure(pid, container.init);
      if (evidence === undefined) continue;
      seen.add(evidence.mappings.map(({ origin }) => origin).join());
      if (evidence.executable.sha256 === '') expect(evidence.mappings).toMatchObject([{ origin: 'unprovable' }]);
    }
    expect(seen).toContain('unprovable');
  });

  it('does not hash what is larger than the limit', async () => {
    const container = await started();
    const evidence = await host.meter({ hashLimitBytes: 1000 }).measure(container.init);
    expect(evidence!.executable.sha256).toBe('');
    expect(evidence!.executable).toMatchObject({
      problem: expect.stringMatching(/^it has \d+ bytes, more than the limit of 1000$/),
    });
  });

  it('maps ids of a container with a user namespace, and knows a namespace that was made in it', async () => {
    const layer = imageLayer(host);
    const rootfs = mountOverlay(host, [layer]);
    const idle = 'read line < /tmp/go; exec /bin/busybox sleep 1000';
    const container = await Container.start(
      host,
      rootfs,
      `/bin/busybox mkfifo /tmp/go; exec /bin/busybox unshare -U /bin/busybox sh -c "${idle}"`,
    );
    await eventually(() => readlinkSync(`/proc/${container.init}/ns/user`) !== readlinkSync('/proc/self/ns/user'));
    writeFileSync(`/proc/${container.init}/uid_map`, '0 0 65536\n');
    writeFileSync(`/proc/${container.init}/gid_map`, '0 0 65536\n');
    const whole = [{ inside: 0, outside: 0, length: 65536 }];
    const meter = host.meter();
    expect(await meter.measure(container.init)).toMatchObject({
      ownNamespaces: [],
      userNamespace: { uids: whole, gids: whole },
    });
    const own = await container.start(
      "exec unshare -U -r /bin/busybox sh -c 'exec /opt/app/busybox sleep 1000'",
      '/opt/app/busybox',
    );
    expect(await meter.measure(own, container.init)).toMatchObject({ ownNamespaces: ['user'] });
  });

  it('knows a user namespace that the first process made itself', async () => {
    const command = 'exec /bin/busybox unshare -U -r /bin/busybox sleep 1000';
    const container = await Container.start(host, mountOverlay(host, [imageLayer(host)]), command);
    await eventually(() => readFileSync(`/proc/${container.init}/gid_map`, 'utf8') !== '');
    expect(await host.meter().measure(container.init)).toMatchObject({ ownNamespaces: ['user'] });
  });
});

(possible ? describe : describe.skip)('processes in real cgroups', () => {
  const podUid = '11111111-2222-3333-4444-555555555555';
  const containerId = 'ab'.repeat(32);
  const root = `/keystead-attest-${process.pid}`;
  const v2 = existsSync('/sys/fs/cgroup/cgroup.procs');
  const hierarchy = v2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';
  const folder = join(hierarchy, root, 'kubepods/besteffort', `pod${podUid}`, containerId);
  let host: Host;

  beforeEach(async () => {
    host = await new Host().ready();
    mkdirSync(join(folder, 'nested'), { recursive: true });
  });

  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    for (let at = join(folder, 'nested'); at !== hierarchy; at = dirname(at)) rmdirSync(at);
  });

  it('are found by container and measured with it', async () => {
    const container = await Container.start(host, mountOverlay(host, [imageLayer(host)]));
    const other = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    const outside = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    writeFileSync(join(folder, 'cgroup.procs'), String(container.init));
    writeFileSync(join(folder, 'nested/cgroup.procs'), String(other));

    const pids = [container.init, other].sort((a, b) => a - b);
    expect(processesByPlace(root).get(containerId)).toEqual(pids);
    expect(processesOfContainer(containerId, root)).toEqual(pids);
    expect(processesOfContainer(containerId)).toEqual([]);

    const meter = host.meter({ kubepodsRoot: root });
    for (const pid of pids) expect(await meter.measure(pid, container.init)).toMatchObject({ podUid, containerId });
    expect((await meter.measure(outside, container.init))!.mappings).toEqual([
      {
        path: '/opt/app/busybox',
        origin: 'foreign',
        detail: `process ${container.init}, said to be its container's first, is not in its cgroup`,
      },
    ]);
  });

  it('are measured by the root file system that the runtime mounted for the container', async () => {
    const rootfs = mountOverlay(host, [imageLayer(host)], containerId);
    const command = `mkdir /tmp/bin; cp /bin/busybox /tmp/bin; until test -e /tmp/go; do sleep 0.05; done
      exec /bin/busybox chroot /tmp /bin/busybox sleep 1000`;
    const container = await Container.start(host, rootfs, command);
    writeFileSync(join(folder, 'cgroup.procs'), String(container.init));
    const meter = host.meter({ kubepodsRoot: root });
    const before = await meter.measure(container.init);
    expect(before).toMatchObject({ containerId, mappings: [{ path: '/bin/busybox', origin: 'image' }] });

    container.run('echo > /tmp/go');
    await container.runs(container.init, '/tmp/bin/busybox');
    const after = await meter.measure(container.init);
    const detail = "the container's first process has changed its root to another file system";
    expect(after!.mappings).toEqual([{ path: '/tmp/bin/busybox', origin: 'foreign', detail }]);
  });
});
