// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findInLayers, type LayerFolders } from '../../../src/attest/image-layers.ts';
import { fileStatus, type FileStatus } from '../../../src/os/file-status.ts';
import { rootedPath } from '../../../src/os/rooted-path.ts';

let folder: string;
let layers: LayerFolders;

function file(layer: string, path: string): FileStatus {
  const name = join(folder, layer, path);
  mkdirSync(dirname(name), { recursive: true });
  writeFileSync(name, layer);
  return fileStatus(name);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-layers-'));
  for (const layer of ['upper', 'top', 'base']) mkdirSync(join(folder, layer));
  layers = { lower: [join(folder, 'top'), join(folder, 'base')], upper: join(folder, 'upper') };
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('findInLayers', () => {
  const path = '/opt/app/tool';

  it.each(['top', 'base'])('finds a file of layer %s', (layer) => {
    const status = file(layer, '/opt/app/tool');
    const found = findInLayers(status, path, layers);
    expect(found).toMatch(new RegExp(`^\\d+/${status.inode}$`));
    expect(findInLayers(status, path, { lower: layers.lower })).toEqual(found);
  });

  it('finds nothing where the path is longer than any', () => {
    const status = file('base', '/opt/app/tool');
    expect(findInLayers(status, `/${'d'.repeat(200)}`.repeat(20), layers)).toBeUndefined();
    expect(findInLayers(status, `/${'d'.repeat(300)}`, layers)).toBeUndefined();
  });

  it('takes an inode number with the number of the file system in its highest bits', () => {
    const status = file('base', '/opt/app/tool');
    const shown = { ...status, inode: status.inode | (3n << 62n) };
    expect(findInLayers(shown, path, layers)).toBeDefined();
  });

  it.each<[string, (status: FileStatus) => Partial<FileStatus>]>([
    ['inode', ({ inode }) => ({ inode: inode + 1n })],
    ['ctime', ({ ctimeNs }) => ({ ctimeNs: ctimeNs + 1n })],
    ['mtime', ({ mtimeNs }) => ({ mtimeNs: mtimeNs - 1n })],
    ['size', ({ size }) => ({ size: size + 1n })],
  ])('refuses a file with another %s, so one that was changed and renamed meanwhile', (_, change) => {
    const status = file('base', '/opt/app/tool');
    expect(findInLayers({ ...status, ...change(status) }, path, layers)).toBeUndefined();
  });

  it.each([
    ['has the file', '/opt/app/tool'],
    ['has a whiteout of its folder', '/opt/app'],
    ['has a whiteout of a folder above', '/opt'],
  ])('refuses where the writable layer %s', (_, cover) => {
    const status = file('base', path);
    expect(findInLayers(status, path, layers)).toBeDefined();
    file('upper', cover);
    expect(findInLayers(status, path, layers)).toBeUndefined();
  });

  it('lets the writable layer have other files in the folder', () => {
    const status = file('base', '/opt/app/tool');
    file('upper', '/opt/app/data');
    expect(findInLayers(status, path, layers)).toBeDefined();
  });

  it('refuses a file at another path', () => {
    expect(findInLayers(file('base', '/opt/app/other'), path, layers)).toBeUndefined();
  });
});

describe('rootedPath', () => {
  it('keeps links within the root', () => {
    mkdirSync(join(folder, 'base/data/containerd'), { recursive: true });
    mkdirSync(join(folder, 'base/var/lib'), { recursive: true });
    symlinkSync('/data', join(folder, 'base/var/lib/rancher'));
    symlinkSync('../../../../data', join(folder, 'base/var/lib/up'));
    const root = join(folder, 'base');
    expect(rootedPath(root, '/var/lib/rancher/containerd')).toBe(`${root}/data/containerd`);
    expect(rootedPath(root, '/var/lib/up/containerd')).toBe(`${root}/data/containerd`);
    expect(rootedPath(root, '/var/lib/none')).toBeUndefined();
    expect(rootedPath('/', root)).toBe(root);
  });

  it('gives up on links that go round in a circle, and on files that are taken for folders', () => {
    symlinkSync('circle', join(folder, 'circle'));
    writeFileSync(join(folder, 'file'), '');
    expect(rootedPath(folder, '/circle/x')).toBeUndefined();
    expect(rootedPath(folder, '/file/x')).toBeUndefined();
  });
});
