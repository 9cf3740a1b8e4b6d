// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Container, Host, imageLayer, mountOverlay, possible } from './container.ts';

jest.setTimeout(30_000);

(possible ? describe : describe.skip)('root file systems of containers', () => {
  let host: Host;

  beforeEach(async () => {
    host = await new Host().ready();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  async function origins(container: Container, pid = container.init): Promise<string[]> {
    const evidence = await host.meter().measure(pid, container.init);
    return evidence!.mappings.map(({ origin, path }) => `${origin} ${path}`);
  }

  async function dropped(container: Container): Promise<number> {
    container.run('cp /opt/app/busybox /srv/busybox');
    return container.start('exec /srv/busybox sleep 1000', '/srv/busybox');
  }

  it('may have their layers on a file system other than the writable one', async () => {
    const layer = imageLayer(host);
    host.run('mkdir "$1/ram"; mount -t tmpfs tmpfs "$1/ram"; cp -a "$2/." "$1/ram"', host.folder, layer);
    const container = await Container.start(host, mountOverlay(host, [join(host.folder, 'ram')]));
    expect(await origins(container)).toEqual(['image /bin/busybox']);
    expect(await origins(container, await dropped(container))).toEqual(['writable /srv/busybox']);
    container.run('echo more >> /opt/app/busybox');
    const changed = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    expect(await origins(container, changed)).toEqual(['writable /opt/app/busybox']);
  });

  it('may have layers on two file systems', async () => {
    const first = imageLayer(host, 'first');
    imageLayer(host, 'second');
    host.run(
      'mkdir "$1/ram"; mount -t tmpfs tmpfs "$1/ram"; cp -a "$1/second/." "$1/ram"; rm -r "$2/opt"',
      host.folder,
      first,
    );
    const container = await Container.start(host, mountOverlay(host, [first, join(host.folder, 'ram')]));
    const lower = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    expect(await origins(container)).toEqual(['image /bin/busybox']);
    expect(await origins(container, lower)).toEqual(['image /opt/app/busybox']);
    expect(await origins(container, await dropped(container))).toEqual(['writable /srv/busybox']);
  });

  it('may name their layers relative to a folder and with odd characters', async () => {
    const folder = join(host.folder, 'snapshots');
    for (const part of ['2/fs', '9/fs', '9/work', 'rootfs']) mkdirSync(join(folder, part), { recursive: true });
    imageLayer(host, 'snapshots/1, a b/fs');
    host.run(
      'cd "$1"; mount -t overlay overlay -o "lowerdir=2/fs:1\\\\, a b/fs,upperdir=$1/9/fs,workdir=$1/9/work" rootfs',
      folder,
    );
    const container = await Container.start(host, join(folder, 'rootfs'));
    expect(await origins(container)).toEqual(['image /bin/busybox']);
    expect(await origins(container, await dropped(container))).toEqual(['writable /srv/busybox']);
  });

  it('may have been mounted of layers whose names are gone, as in a pod with a user namespace', async () => {
    const snapshots = join(host.folder, 'snapshots');
    for (const part of ['2/fs', '8/fs', '9/fs', '9/work', '11/fs'])
      mkdirSync(join(snapshots, part), { recursive: true });
    imageLayer(host, 'snapshots/3/fs');
    mkdirSync(join(host.folder, 'rootfs'));
    mkdirSync(join(host.folder, 'ovl-idmapped7'));
    host.run(
      `mount --bind "$1/snapshots/3" "$1/ovl-idmapped7"
       mount -t overlay overlay -o "lowerdir=$1/ovl-idmapped7/fs,upperdir=$2/9/fs,workdir=$2/9/work" "$1/rootfs"
       umount "$1/ovl-idmapped7"`,
      host.folder,
      snapshots,
    );
    const container = await Container.start(host, join(host.folder, 'rootfs'));
    expect(await origins(container)).toEqual(['image /bin/busybox']);
    expect(await origins(container, await dropped(container))).toEqual(['writable /srv/busybox']);
    container.run('echo more >> /opt/app/busybox');
    const changed = await container.start('exec /opt/app/busybox sleep 1000', '/opt/app/busybox');
    expect(await origins(container, changed)).toEqual(['writable /opt/app/busybox']);
  });

  it('may be read-only', async () => {
    const layer = imageLayer(host);
    mkdirSync(join(host.folder, 'empty'));
    mkdirSync(join(host.folder, 'view'));
    host.run('mount -t overlay overlay -o "lowerdir=$1/empty:$2" "$1/view"', host.folder, layer);
    const container = await Container.start(host, join(host.folder, 'view'));
    expect(await origins(container)).toEqual(['image /bin/busybox']);
  });

  it('are refused where they are plain folders, which keep no layers apart', async () => {
    const layer = imageLayer(host);
    host.run('mount --bind "$1" "$1"', layer);
    const container = await Container.start(host, layer);
    const evidence = await host.meter().measure(container.init);
    expect(evidence!.mappings).toHaveLength(1);
    expect(evidence!.mappings[0]).toMatchObject({ path: '/bin/busybox', origin: 'unprovable' });
    expect(evidence!.mappings[0]!.detail).toMatch(/which keeps no layers apart \(overlay does\)$/);
    expect(evidence!.executable.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('are refused where the host has not mounted them', async () => {
    // An overlay that the container makes itself, with a folder of its own as the alleged layer of the image.
    const container = await Container.start(host, mountOverlay(host, [imageLayer(host)]));
    container.run('mkdir /tmp/l /tmp/u /tmp/w /tmp/m; cp -a /bin /tmp/l/');
    container.run('/bin/busybox mount -t overlay overlay -o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w /tmp/m');
    const pid = await container.start('exec /bin/busybox chroot /tmp/m /bin/busybox sleep 1000', '/tmp/m/bin/busybox');
    expect(await origins(container, pid)).toEqual(['foreign /tmp/m/bin/busybox']);
    const evidence = await host.meter().measure(pid);
    expect(evidence!.mappings[0]!.detail).toMatch(/not in the host's mount table$/);
  });

  it('are refused where their layers cannot be reached', async () => {
    const container = await Container.start(host, mountOverlay(host, [imageLayer(host)]));
    const evidence = await host.meter({ hostRoot: join(host.folder, 'nowhere') }).measure(container.init);
    expect(evidence!.mappings[0]).toMatchObject({ origin: 'unprovable' });
    expect(evidence!.mappings[0]!.detail).toMatch(/layers of its root file system are missing below .*nowhere/);
  });

  it('are found where a first process has put itself into a folder of its root', async () => {
    const rootfs = mountOverlay(host, [imageLayer(host)]);
    const command = 'mkdir /srv/bin; cp /bin/busybox /srv/bin; exec /bin/busybox chroot /srv /bin/busybox sleep 1000';
    const container = await Container.start(host, rootfs, command, '/srv/bin/busybox');
    expect(await origins(container)).toEqual(['writable /srv/bin/busybox']);
  });
});
