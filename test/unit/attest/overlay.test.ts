// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { namesAreGone, olderSnapshots, overlayLayers, resolveLayers } from '../../../src/attest/overlay.ts';
import { parseMount } from '../../../src/os/mountinfo.ts';

function layersOf(options: string): unknown {
  return overlayLayers(parseMount(`341 139 0:73 / /m rw,relatime - overlay overlay rw,${options}`)!);
}

describe('parseMount', () => {
  it('reads the root mount of a real pod', () => {
    const text = readFileSync(new URL('testdata/lab-pod-mountinfo.txt', import.meta.url), 'utf8');
    const [first = ''] = text.split('\n');
    expect(parseMount(first)).toMatchObject({ id: 106, device: '0:44', root: '/', mountPoint: '/', type: 'overlay' });
    const snapshots = '/var/lib/keystead-lab/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots';
    expect(overlayLayers(parseMount(first)!)).toEqual({
      lower: [`${snapshots}/1/fs`],
      upper: `${snapshots}/13/fs`,
    });
    for (const line of text.trim().split('\n')) expect(parseMount(line)).toBeDefined();
  });

  it('knows optional fields, escapes and flags', () => {
    const line =
      '53 43 8:1 /a\\040b /m\\011\\134\\303\\244 rw shared:8 master:2 - ext4 /dev/sda\\0401 rw,data=a\\054b,quota';
    expect(parseMount(line)).toEqual({
      id: 53,
      device: '8:1',
      root: '/a b',
      mountPoint: '/m\t\\ä',
      type: 'ext4',
      options: [
        ['rw', ''],
        ['data', 'a,b'],
        ['quota', ''],
      ],
    });
  });

  it.each(['', 'nonsense', '1 2 0:3 / /m rw', '1 2 - overlay overlay rw'])('refuses %p', (line) => {
    expect(parseMount(line)).toBeUndefined();
  });
});

describe('overlayLayers', () => {
  it.each([
    ['lowerdir=/a,upperdir=/u,workdir=/w', { lower: ['/a'], upper: '/u' }],
    ['lowerdir=/a:/b:/c,upperdir=/u,workdir=/w,uuid=on', { lower: ['/a', '/b', '/c'], upper: '/u' }],
    ['lowerdir=/a:/b', { lower: ['/a', '/b'] }],
    ['lowerdir=/a\\134:b:/c\\134\\134:/d', { lower: ['/a:b', '/c\\', '/d'] }],
    ['lowerdir=a:q\\134\\054\\134:z,upperdir=/u', { lower: ['a', 'q,:z'], upper: '/u' }],
    ['lowerdir=/a::/data,upperdir=/u', { lower: ['/a', '/data'], upper: '/u' }],
    ['lowerdir+=/a,lowerdir+=/od\\054\\040d:x\\134y,upperdir=/u', { lower: ['/a', '/od, d:x\\y'], upper: '/u' }],
  ])('of %s', (options, layers) => {
    expect(layersOf(options)).toEqual(layers);
  });

  it('are none of another file system', () => {
    expect(overlayLayers(parseMount('1 2 8:1 / / rw - ext4 /dev/sda rw,lowerdir=/a')!)).toBeUndefined();
  });
});

describe('resolveLayers', () => {
  const snapshots = '/var/lib/containerd/snapshots';
  const folders =
    (...names: string[]) =>
    (path: string) =>
      names.some((name) => path === `${snapshots}/${name}`);

  it('keeps absolute layers', () => {
    const layers = { lower: ['/a', '/b'] };
    expect(resolveLayers(layers, () => false)).toBe(layers);
  });

  it.each([
    [
      ['12/fs', '9/fs'],
      ['12/fs', '9/fs'],
    ],
    [
      ['l/ABC', 'l/DEF'],
      ['l/ABC', 'l/DEF'],
    ],
  ])('takes %j as relative to the folder that has them all', (lower, present) => {
    const upper = `${snapshots}/13/fs`;
    expect(resolveLayers({ lower, upper }, folders(...present))).toEqual({
      lower: lower.map((path) => `${snapshots}/${path}`),
      upper,
    });
  });

  it.each([
    ['where one layer is nowhere', { lower: ['12/fs', '9/fs'], upper: `${snapshots}/13/fs` }],
    ['where there is no writable layer to start from', { lower: ['12/fs'] }],
    ['where the writable layer is relative too', { lower: ['12/fs'], upper: '13/fs' }],
  ])('gives nothing %s', (_, layers) => {
    expect(resolveLayers(layers, folders('12/fs'))).toBeUndefined();
  });
});

describe('layers whose names are gone', () => {
  it.each([
    ['/tmp/ovl-idmapped1238805181/fs', true],
    ['/var/lib/containerd/tmpmounts/ovl-idmapped82/0', true],
    ['/var/lib/containerd/snapshots/12/fs', false],
    ['/tmp/ovl-idmapped/fs', false],
  ])('%s: %p', (path, gone) => {
    expect(namesAreGone({ lower: ['/a', path] })).toBe(gone);
  });

  it('are looked for in the older snapshots', () => {
    const upper = '/var/lib/containerd/snapshots/13/fs';
    const numbers = (folder: string) =>
      folder === '/var/lib/containerd/snapshots' ? ['1', '13', '9', '12', '110'] : [];
    expect(olderSnapshots(upper, numbers)).toEqual({
      lower: [12, 9, 1].map((number) => `/var/lib/containerd/snapshots/${number}/fs`),
      upper,
    });
    expect(olderSnapshots('/var/lib/containers/storage/overlay/abc/diff', numbers)).toBeUndefined();
  });
});
