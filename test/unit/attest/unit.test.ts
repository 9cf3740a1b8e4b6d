// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { unitOf } from '../../../src/attest/unit.ts';

const ID = 'c'.repeat(64);

describe('the systemd unit of a process', () => {
  it.each<[string, string, string | undefined]>([
    ['a service', '0::/system.slice/updater.service\n', 'updater.service'],
    ['a service below a slice of its own', '0::/system.slice/system-line.slice/line@4.service\n', 'line@4.service'],
    ['a cgroup that the service made itself', '0::/system.slice/updater.service/workers\n', 'updater.service'],
    [
      'cgroup v1',
      '9:name=systemd:/system.slice/updater.service\n4:memory:/\n0::/system.slice/updater.service\n',
      'updater.service',
    ],
    [
      'cgroup v1 without the unified hierarchy',
      '9:name=systemd:/system.slice/updater.service\n4:memory:/\n',
      'updater.service',
    ],
    ['a reader in a cgroup namespace', '0::/../../../system.slice/updater.service\n', 'updater.service'],
    ['a login', '0::/user.slice/user-1000.slice/session-3.scope\n', 'session-3.scope'],
    ['no unit', '0::/\n', undefined],
    ['a slice alone', '0::/system.slice\n', undefined],
    [
      'a controller of cgroup v1, in which units are not known',
      '4:memory:/system.slice/updater.service\n0::/\n',
      undefined,
    ],
    ['nothing, as the process has ended', '', undefined],
  ])('of %s', (_, text, unit) => expect(unitOf(text)).toBe(unit));

  it.each<[string, string, string | undefined]>([
    [
      "a service of a user's own manager",
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/updater.service\n',
      'user@1000.service',
    ],
    [
      'a cgroup that a user made in his session',
      '0::/user.slice/user-1000.slice/session-3.scope/system.slice/updater.service\n',
      'session-3.scope',
    ],
    [
      'a container with systemd inside (cgroupfs)',
      `0::/kubepods/pod1/${ID}/system.slice/updater.service\n`,
      'kubepods',
    ],
    [
      'a container with systemd inside (systemd)',
      `0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-${ID}.scope/updater.service\n`,
      `cri-containerd-${ID}.scope`,
    ],
    [
      'two hierarchies that differ',
      '9:name=systemd:/system.slice/updater.service\n0::/system.slice/other.service\n',
      undefined,
    ],
  ])('is not the one that %s is called by', (_, text, unit) => expect(unitOf(text)).toBe(unit));
});
