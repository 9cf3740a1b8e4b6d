// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProcessMeter } from '../../../src/attest/process.ts';
import { Container, Host, imageLayer, mountOverlay, possible } from './container.ts';

jest.setTimeout(30_000);

(possible ? describe : describe.skip)('origin of code in a real overlay', () => {
  let host: Host;
  let meter: ProcessMeter;

  beforeEach(async () => {
    host = await new Host().ready();
    meter = host.meter();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  async function started(): Promise<Container> {
    return Container.start(host, mountOverlay(host, [imageLayer(host)]));
  }

  async function mappings(pid: number, container: Container): Promise<string[]> {
    const evidence = await meter.measure(pid, container.init);
    return evidence!.mappings.map(({ origin, path }) => `${origin} ${path}`);
  }

  it('is image for a file of a layer', async () => {
    const container = await started();
    expect(await mappings(container.init, container)).toEqual(['image /bin/busybox']);
    const other = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    expect(await mappings(other, container)).toEqual(['image /opt/app/busybox']);
  });

  it.each([
    ['a dropped file', 'cp /bin/busybox /srv/busybox', '/srv/busybox'],
    ['a dropped file in a folder of the image', 'cp /bin/busybox /opt/app/sleep', '/opt/app/sleep'],
    ['a changed file of the image', 'echo more >> /opt/app/busybox', '/opt/app/busybox'],
    [
      'a changed file with its old times',
      'echo more >> /opt/app/busybox; touch -r /bin/busybox /opt/app/busybox',
      '/opt/app/busybox',
    ],
    ['a file of which only the mode changed', 'chmod 700 /opt/app/busybox', '/opt/app/busybox'],
    ['a file that was replaced', 'rm /opt/app/busybox; cp /bin/busybox /opt/app/busybox', '/opt/app/busybox'],
    ['a renamed file of the image', 'mv /opt/app/busybox /srv/busybox', '/srv/busybox'],
    ['a hard link to a file of the image', 'ln /opt/app/busybox /srv/busybox', '/srv/busybox'],
    ['a folder that was replaced', 'rm -r /opt; mkdir -p /opt/app; cp /bin/busybox /opt/app/', '/opt/app/busybox'],
  ])('is writable for %s', async (_, change, path) => {
    const container = await started();
    container.run(change);
    const argument = path.endsWith('sleep') ? '' : 'sleep';
    const pid = await container.start(`exec ${path} ${argument} 1000`, path);
    expect(await mappings(pid, container)).toEqual([`writable ${path}`]);
  });

  it('is deleted for a file that is gone', async () => {
    const container = await started();
    container.run('cp /bin/busybox /srv/busybox');
    const dropped = await container.start('exec /srv/busybox sleep 1000', '/srv/busybox');
    const image = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    container.run('rm /srv/busybox /opt/app/busybox');
    expect(await mappings(dropped, container)).toEqual(['deleted /srv/busybox']);
    expect(await mappings(image, container)).toEqual(['deleted /opt/app/busybox']);
  });

  it('is foreign on another mount', async () => {
    const container = await started();
    container.run('cp /bin/busybox /tmp/busybox');
    const pid = await container.start('exec /tmp/busybox sleep 1000', '/tmp/busybox');
    expect(await mappings(pid, container)).toEqual(['foreign /tmp/busybox']);
  });

  it('is foreign for a bind mount of the writable layer over a folder of the image', async () => {
    const container = await started();
    container.run('cp /bin/busybox /srv/busybox; /bin/busybox mount -o bind /srv /opt/app');
    const pid = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    expect(await mappings(pid, container)).toEqual(['foreign /opt/app/busybox']);
  });

  it("is foreign for a file of another container's image", async () => {
    const container = await started();
    const rootfs = mountOverlay(host, [join(host.folder, 'layer')], 'neighbour');
    const neighbour = await Container.start(host, rootfs);
    const path = `/proc/${neighbour.init}/root/opt/app/busybox`;
    const pid = await container.start(`exec ${path} sleep 1000`, '/opt/app/busybox');
    expect(await mappings(pid, container)).toEqual(['foreign /opt/app/busybox']);
    expect(await mappings(neighbour.init, container)).toEqual(['foreign /bin/busybox']);
  });

  it('is anonymous for a memfd', async () => {
    const container = await started();
    container.run('ln -s /proc/self/fd/9 /tmp/sleep');
    const script = `import os,sys
fd = os.memfd_create('hidden', 0)
os.write(fd, open('/bin/busybox', 'rb').read())
os.dup2(fd, 9)
os.close(fd)
os.execvp('nsenter', ['nsenter', '--mount', '--root', '--target', sys.argv[1], '/tmp/sleep', '1000'])`;
    const pid = await container.startFrom('python3', ['-c', script, String(container.init)], '/memfd:hidden');
    const evidence = await meter.measure(pid, container.init);
    expect(evidence!.mappings).toEqual([{ path: '/memfd:hidden (deleted)', origin: 'anonymous' }]);
    expect(evidence!.executable.sha256).toBe('');
  });

  it('is foreign for a process with mount and user namespaces of its own', async () => {
    const container = await started();
    container.run('mkdir /srv/own; cp /bin/busybox /srv/own/busybox');
    const inside = '/bin/busybox mount -o bind /srv/own /opt/app; exec /opt/app/busybox sleep 1000';
    const pid = await container.start(`exec unshare -U -r -m /bin/busybox sh -ec '${inside}'`, '/opt/app/busybox');
    const evidence = await meter.measure(pid, container.init);
    expect(evidence!.ownNamespaces).toEqual(['mount', 'user']);
    expect(evidence!.mappings).toEqual([
      { path: '/opt/app/busybox', origin: 'foreign', detail: 'the process has a mount namespace of its own' },
    ]);
  });

  it('is foreign for a file handed over from another mount namespace', async () => {
    // The changed file keeps the inode number of the image's file; in the other namespace it lies at that file's
    // path, and the writable layer has nothing there since the folder was made anew.
    const container = await started();
    container.run('echo more >> /opt/app/busybox; mv /opt/app/busybox /srv/busybox; rm -r /opt; mkdir -p /opt/app');
    container.run('ln -s /proc/self/fd/9 /tmp/sleep');
    const back = `exec nsenter -m -t ${container.init} /tmp/sleep 1000`;
    const inside = `/bin/busybox mount -o bind /srv /opt/app; sleep 10 & exec 9</opt/app/busybox; ${back}`;
    const pid = await container.start(`exec unshare -m /bin/busybox sh -ec '${inside}'`, '/opt/app/busybox');
    const evidence = await meter.measure(pid, container.init);
    expect(evidence!.ownNamespaces).toEqual([]);
    expect(evidence!.mappings.map(({ origin }) => origin)).toEqual(['foreign']);
  });

  it('looks at libraries too', async () => {
    const layer = imageLayer(host);
    const sleep = '/usr/bin/sleep';
    const libraries = spawnSync('ldd', [sleep], { encoding: 'utf8' }).stdout.match(/\/\S+/g) ?? [];
    for (const file of [sleep, ...libraries]) {
      mkdirSync(dirname(join(layer, file)), { recursive: true });
      copyFileSync(file, join(layer, file));
    }
    const container = await Container.start(host, mountOverlay(host, [layer]));
    const clean = await container.start(`exec ${sleep} 1000`, sleep);
    expect((await mappings(clean, container)).every((line) => line.startsWith('image '))).toBe(true);
    const libc = libraries.find((path) => path.includes('libc.so'))!;
    container.run(`cp ${libc} /tmp/preloaded.so`);
    const preloaded = await container.start(`LD_PRELOAD=/tmp/preloaded.so exec ${sleep} 1000`, sleep);
    expect(await mappings(preloaded, container)).toContain('foreign /tmp/preloaded.so');
    expect(await mappings(preloaded, container)).toContain(`image ${sleep}`);
  });
});
