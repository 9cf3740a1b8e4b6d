// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { kubepodsRoot, parseCgroup } from '../../../src/attest/cgroup.ts';

const POD = 'ce23a47b-bf2d-4e7c-826c-684c5acc39bc';
const POD_ = POD.replaceAll('-', '_');
const ID = 'fbbae712a168ec765bfe16b35012d2941551a366f79b27b541e0f548b9360b6d';
const OTHER_POD = '0d1b2c3d-0000-4e7c-826c-000000000001';
const OTHER_ID = '1'.repeat(64);
const STATIC_POD = '0123456789abcdef0123456789abcdef';

const found = { podUid: POD, containerId: ID };
const slice = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_}.slice`;
const inPod = `/kubepods/besteffort/pod${POD}/${ID}`;

describe('parseCgroup names the container', () => {
  it.each([
    ['cgroupfs, best effort', `0::${inPod}`],
    ['cgroupfs, guaranteed', `0::/kubepods/pod${POD}/${ID}`],
    ['cgroupfs, nested by the container', `0::/kubepods/burstable/pod${POD}/${ID}/init.scope`],
    ['systemd, containerd', `0::${slice}/cri-containerd-${ID}.scope`],
    ['systemd, CRI-O', `0::${slice}/crio-${ID}.scope`],
    ['systemd, CRI-O with crun', `0::${slice}/crio-${ID}.scope/container`],
    ['systemd, Docker', `0::${slice}/docker-${ID}.scope`],
    ['systemd, guaranteed', `0::/kubepods.slice/kubepods-pod${POD_}.slice/cri-containerd-${ID}.scope`],
    ['seen from a pod of the same class', `0::/../../kubepods-burstable-pod${POD_}.slice/cri-containerd-${ID}.scope`],
    [
      'seen from a pod of another class',
      `0::/../../..${slice.replace('/kubepods.slice', '')}/cri-containerd-${ID}.scope`,
    ],
    ['seen from a pod, cgroupfs', `0::/../../../besteffort/pod${POD}/${ID}`],
    ['seen from a service', `0::/../..${inPod}`],
    ['v1, one hierarchy used', `3:cpuset:/\n2:cpu,cpuacct:${inPod}\n1:name=systemd:/\n0::/`],
  ])('%s', (_, text) => {
    expect(parseCgroup(`${text}\n`)).toEqual(found);
  });

  it('static pod', () => {
    expect(parseCgroup(`0::/kubepods/burstable/pod${STATIC_POD}/${ID}\n`)).toEqual({
      podUid: STATIC_POD,
      containerId: ID,
    });
  });

  it.each([
    ['/k3s', `0::/k3s${inPod}`],
    [
      '/kubelet.slice',
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${POD_}.slice/cri-containerd-${ID}.scope`,
    ],
    ['/system.slice/k3s.service', `0::/system.slice/k3s.service${inPod}`],
  ])('below the cgroup %s', (root, text) => {
    expect(parseCgroup(text, root)).toEqual(found);
    expect(parseCgroup(text)).toHaveProperty('problem');
  });

  it('a real pod on cgroup v1', () => {
    const text = readFileSync(new URL('testdata/lab-pod-cgroup.txt', import.meta.url), 'utf8');
    expect(parseCgroup(text, '/keystead-lab')).toEqual(found);
  });
});

describe('parseCgroup refuses', () => {
  const nothing = /^it is in no container of a pod/;
  const incomplete = /^its cgroup names no container/;
  const several = /^its cgroups? names? more than one container/;

  it.each([
    ['a process of the host', '0::/system.slice/ssh.service', nothing],
    ['the root', '0::/', nothing],
    ['no cgroup at all', '', nothing],
    ['a container that is no pod', `0::/system.slice/docker-${ID}.scope`, nothing],
    [
      'a copy of the tree below a cgroup of a user',
      `0::/user.slice/user-1000.slice/user@1000.service${inPod}`,
      nothing,
    ],
    ['the same, seen from a pod', `0::/../../../../user.slice${inPod}`, nothing],
    ['a name that starts alike', `0::/kubepods-evil${inPod}`, nothing],
    ['a neighbour of the root', `0::/kubepodsx/pod${POD}/${ID}`, nothing],
    ['a pod without container', `0::/kubepods/besteffort/pod${POD}`, incomplete],
    ["a pod's pause process of CRI-O", `0::${slice}/crio-conmon-${ID}.scope`, incomplete],
    ['an id that is too short', `0::/kubepods/pod${POD}/${ID.slice(1)}`, incomplete],
    ['an id that is too long', `0::/kubepods/pod${POD}/${ID}0`, incomplete],
    ['an id in capitals', `0::/kubepods/pod${POD}/${ID.toUpperCase()}`, incomplete],
    ['a pod uid that is none', `0::/kubepods/podevil/${ID}`, incomplete],
    ['a container that is not right below its pod', `0::/kubepods/pod${POD}/x/${ID}`, incomplete],
    ['another container below', `0::${inPod}/${OTHER_ID}`, several],
    ['another container below, as a scope', `0::${inPod}/cri-containerd-${OTHER_ID}.scope`, several],
    ['another pod below', `0::${inPod}/pod${OTHER_POD}/${ID}`, several],
    ['another tree below', `0::${inPod}${inPod}`, several],
    [
      'another container in another hierarchy',
      `2:cpu:${inPod}\n1:pids:/kubepods/besteffort/pod${POD}/${OTHER_ID}`,
      several,
    ],
    ['another pod in another hierarchy', `2:cpu:${inPod}\n1:pids:/kubepods/pod${OTHER_POD}/${ID}`, several],
    ['no container in another hierarchy', `2:cpu:${inPod}\n1:pids:/kubepods/pod${POD}`, incomplete],
  ])('%s', (_, text, message) => {
    expect(parseCgroup(`${text}\n`)).toEqual({ problem: expect.stringMatching(message) });
  });
});

describe('kubepodsRoot', () => {
  it.each([
    ['at the root', `0::${inPod}`, ''],
    ['told to the kubelet', `9:pids:/k3s${inPod}\n0::/k3s${inPod}`, '/k3s'],
    [
      'in a nested node',
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${POD_}.slice/cri-containerd-${ID}.scope`,
      '/kubelet.slice',
    ],
    ['outside of pods', '0::/user.slice/user-0.slice', ''],
    ['in a cgroup namespace', '0::/', ''],
  ])('%s', (_, text, root) => {
    expect(kubepodsRoot(`${text}\n`)).toBe(root);
  });
});
