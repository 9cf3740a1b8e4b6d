// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { makeImage, type Image } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import type { TarEntry } from '../../src/build/image/tar.ts';

const APPLETS = [
  'sh',
  'sleep',
  'cat',
  'cp',
  'ls',
  'id',
  'sha256sum',
  'true',
  'chmod',
  'mkdir',
  'setsid',
  'kill',
  'stat',
];

/** A small image with a shell, for tests. `variant` gives images that behave the same and differ in their digests. */
export async function busyboxImage(variant: string): Promise<Image> {
  const content = await readFile('/bin/busybox');
  const links = APPLETS.map((name): TarEntry => ({
    kind: 'symlink',
    path: `bin/${name}`,
    mode: 0o777,
    target: 'busybox',
  }));
  const layer = await packLayer([
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content },
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    ...links,
  ]);
  return makeImage([layer], {
    entrypoint: ['/bin/sleep', '1000000'],
    user: '1000:1000',
    labels: { 'org.opencontainers.image.title': `keystead test ${variant}` },
  });
}
