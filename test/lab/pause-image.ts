// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.ts';

/** Name under which containerd knows the sandbox image. It is never pulled. */
export const PAUSE_IMAGE = 'keystead.dev/lab/pause:1';

/** Process 1 of a pod: reaps orphans and ends at once when told to. */
const PAUSE = 'trap "exit 0" TERM INT; while :; do sleep 2147483647 & wait; done';
const APPLETS = ['sh', 'sleep'];

/** Writes the sandbox image as an OCI archive with Debian's static busybox inside. Needs no network. */
export async function writePauseImage(file: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'keystead-lab-'));
  try {
    const rootfs = join(work, 'rootfs');
    await mkdir(join(rootfs, 'bin'), { recursive: true });
    await copyFile('/bin/busybox', join(rootfs, 'bin', 'busybox'));
    for (const applet of APPLETS) await symlink('busybox', join(rootfs, 'bin', applet));
    await run('tar', ['-cf', join(work, 'layer.tar'), ...REPRODUCIBLE, '-C', rootfs, 'bin']);
    const layout = join(work, 'layout');
    await writeLayout(layout, await readFile(join(work, 'layer.tar')));
    await run('tar', ['-cf', file, ...REPRODUCIBLE, '-C', layout, 'oci-layout', 'index.json', 'blobs']);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const REPRODUCIBLE = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

async function writeLayout(dir: string, layer: Buffer): Promise<void> {
  await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true });
  const blob = async (mediaType: string, content: Buffer) => {
    const hex = createHash('sha256').update(content).digest('hex');
    await writeFile(join(dir, 'blobs', 'sha256', hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const json = (mediaType: string, value: unknown) => blob(mediaType, Buffer.from(JSON.stringify(value)));
  const layers = [await blob('application/vnd.oci.image.layer.v1.tar', layer)];
  const config = await json('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Entrypoint: ['/bin/sh', '-c', PAUSE], User: '65535:65535' },
    rootfs: { type: 'layers', diff_ids: [layers[0]?.digest] },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await json(mediaType, { schemaVersion: 2, mediaType, config, layers });
  const annotations = { 'io.containerd.image.name': PAUSE_IMAGE, 'org.opencontainers.image.ref.name': '1' };
  await writeFile(
    join(dir, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  await writeFile(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}
