// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { isInSamePod, samePod } from '../../../src/notary/same-pod.ts';

const UID = '943d74ac-2969-410f-9aef-ef6a193e4acc';
const OTHER = '15776b43-bf35-4939-9718-497fad7c6dea';
const v1 = (uid: string, id: string): string =>
  `4:memory:/kubepods/besteffort/pod${uid}/${id}\n1:cpu:/kubepods/besteffort/pod${uid}/${id}\n`;
const systemd = (uid: string): string =>
  `0::/kubepods.slice/kubepods-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-a.scope\n`;

describe('a caller of the notary', () => {
  it.each([
    ['of the same pod on cgroup v1', v1(UID, 'a'), v1(UID, 'b'), true],
    ['of another pod on cgroup v1', v1(UID, 'a'), v1(OTHER, 'b'), false],
    ['of no pod', v1(UID, 'a'), '0::/system.slice/cron.service\n', false],
    ['of the same pod under systemd', systemd(UID), systemd(UID), true],
    ['of another pod under systemd', systemd(UID), systemd(OTHER), false],
    ['of the same pod, seen from a cgroup namespace', '0::/\n', '0::/../cri-containerd-b.scope\n', true],
    ['of the same container, seen from a cgroup namespace', '0::/\n', '0::/\n', true],
    ['of another pod, seen from a cgroup namespace', '0::/\n', '0::/../../pod2/b\n', false],
    ['of the host, seen from a cgroup namespace', '0::/\n', '0::/../../../system.slice/cron.service\n', false],
    ['of whoever, where the notary is in no pod', '0::/user.slice/a\n', '0::/user.slice/b\n', true],
  ])('%s is told: %4$s', (_who, own, peer, expected) => {
    expect(samePod(own, peer)).toBe(expected);
  });

  it('that cannot be seen is nobody', () => {
    expect(isInSamePod(process.pid)).toBe(true);
    expect(isInSamePod(2 ** 22 + 1)).toBeUndefined();
  });
});
