// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { locateTarget } from '../../../src/deliver/csi/target-path.ts';

const ROOT = '/var/lib/kubelet';

describe('locateTarget', () => {
  it('finds the pod of a path as the kubelet makes it', () => {
    expect(locateTarget(ROOT, `${ROOT}/pods/u-1/volumes/kubernetes.io~csi/identity/mount`)).toEqual({
      podUid: 'u-1',
      podDirectory: `${ROOT}/pods/u-1`,
    });
  });

  it('takes a root with a trailing slash', () => {
    expect(locateTarget(`${ROOT}/`, `${ROOT}/pods/u-1/volumes/x/y/mount`)?.podDirectory).toBe(`${ROOT}/pods/u-1`);
  });

  it.each([
    ['the root itself', ROOT],
    ['another tree', '/etc/pods/u/volumes/x/mount'],
    ['a tree whose name only begins alike', `${ROOT}2/pods/u/volumes/x/mount`],
    ['a way out by ..', `${ROOT}/pods/u/volumes/../../../../../etc`],
    ['.. that stays inside', `${ROOT}/pods/u/volumes/a/../b/mount`],
    ['a trailing slash', `${ROOT}/pods/u/volumes/x/mount/`],
    ['a doubled slash', `${ROOT}/pods//u/volumes/x/mount`],
    ['a relative path', 'pods/u/volumes/x/mount'],
    ['the volumes directory', `${ROOT}/pods/u/volumes`],
    ['something else of a pod', `${ROOT}/pods/u/containers/x`],
    ['plugins', `${ROOT}/plugins/u/volumes/x`],
  ])('refuses %s', (_, path) => {
    expect(locateTarget(ROOT, path)).toBeUndefined();
  });
});
