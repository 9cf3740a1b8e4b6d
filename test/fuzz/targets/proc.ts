// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { kubepodsRoot, parseCgroup } from '../../../src/attest/cgroup.ts';
import { overlayLayers, resolveLayers } from '../../../src/attest/overlay.ts';
import { samePod } from '../../../src/notary/same-pod.ts';
import { parseMountInfo } from '../../../src/os/mount.ts';
import { parseMount } from '../../../src/os/mountinfo.ts';
import { isInFile, parseExecutableMemory, parseIdMap, parseStat } from '../../../src/os/proc-format.ts';
import { parseStatus } from '../../../src/os/proc-status.ts';
import type { Dice } from '../dice.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

/** Of a pod on the lab's node. */
function recorded(name: string): string {
  return readFileSync(new URL(`../../unit/attest/testdata/lab-pod-${name}.txt`, import.meta.url), 'utf8');
}

const POD = 'ce23a47b-bf2d-4e7c-826c-684c5acc39bc';
const OTHER_POD = '0f1e2d3c-bf2d-4e7c-826c-684c5acc39bc';
const [ID, OTHER_ID] = ['ab'.repeat(32), 'cd'.repeat(32)];
const UNDERSCORED = POD.replaceAll('-', '_');
const CGROUPS = [
  recorded('cgroup'),
  `0::/kubepods/burstable/pod${POD}/${ID}`,
  `0::/kubepods/pod${POD}/${ID}/init.scope`,
  `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
  `0::/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/crio-${ID}.scope`,
  `0::/../../../besteffort/pod${POD}/${ID}`,
];
const CGROUP_WORDS = [
  '/kubepods',
  '/kubepods.slice',
  '/burstable',
  '/besteffort',
  `/pod${POD}`,
  `/pod${OTHER_POD}`,
  `/${ID}`,
  `/${OTHER_ID}`,
  '/..',
  '\n0::',
  '0::/',
  `cri-containerd-${OTHER_ID}.scope`,
  'crio-conmon-',
  '.scope',
  '.slice',
  '/keystead-lab',
];
const LAYERS = `lowerdir=/a/1/fs:/a/2/fs,upperdir=/a/3/fs,workdir=/a/3/work`;
const MOUNTS = [
  ...recorded('mountinfo').split('\n').filter(Boolean).slice(0, 6),
  `1 2 0:44 / / rw - overlay overlay rw,${LAYERS}`,
  '1 2 0:44 / / rw - overlay overlay rw,lowerdir+=/a/1/fs,lowerdir+=/a/2/fs,upperdir=/a/3/fs',
  '1 2 0:44 / / rw - overlay overlay rw,lowerdir=1/fs:2\\\\:3/fs,upperdir=/a/3/fs',
];
const MOUNT_WORDS = [
  ' - ',
  ' ',
  '\\040',
  '\\134',
  '\\',
  ':',
  ',',
  'overlay',
  'lowerdir=',
  'lowerdir+=',
  'upperdir=',
  '/fs',
  '\\777',
];
const MAPS_WORDS = ['r-xp', '---p', ' ', '00:00', ' (deleted)', '/memfd:x (deleted)', '\n', '7f00-7f01', ' 0 '];
const STATUS_WORDS = [
  '\nUid:\t',
  '\nGid:\t',
  '\nCapPrm:\t',
  '\nPPid:\t',
  '\nNSpid:\t',
  '0',
  '\t',
  '4294967295',
  '\n',
  'Name:\t',
];

const words =
  (given: readonly string[], others: readonly string[] = []) =>
  (text: string, dice: Dice): string =>
    mutateText(text, dice, given, others);

/** Whoever is named must stand in the text; two that differ are never one. */
function cgroup(text: string): boolean {
  const origin = parseCgroup(text, '/keystead-lab');
  const found = 'problem' in origin ? parseCgroup(text) : origin;
  if ('problem' in found) return false;
  must(
    /^[0-9a-f]{64}$/.test(found.containerId) && text.includes(found.containerId),
    'the container stands in the text',
  );
  must(/^[0-9a-f-]{32,36}$/.test(found.podUid), 'a pod uid');
  return true;
}

function mount(line: string): boolean {
  parseMountInfo(line);
  const entry = parseMount(line);
  const layers = entry && overlayLayers(entry);
  if (layers) resolveLayers(layers, (path) => path.length % 2 === 0);
  return entry !== undefined;
}

export const PROC_TARGETS: readonly Target[] = [
  target({ name: 'cgroup', weight: 4, corpus: CGROUPS, mutate: words(CGROUP_WORDS, CGROUPS), read: cgroup }),
  target({
    name: 'cgroup-root',
    corpus: CGROUPS,
    mutate: words(CGROUP_WORDS, CGROUPS),
    read: kubepodsRoot,
    outcome: 'accepts',
  }),
  target({
    name: 'cgroup-same-pod',
    corpus: [`0::/kubepods/pod${POD}/${ID}`, recorded('cgroup')],
    mutate: words(CGROUP_WORDS, CGROUPS),
    read: (peer) => samePod(`0::/kubepods/pod${POD}/${OTHER_ID}`, peer),
  }),
  target({ name: 'mountinfo', weight: 3, corpus: MOUNTS, mutate: words(MOUNT_WORDS, MOUNTS), read: mount }),
  target({
    name: 'maps',
    weight: 2,
    corpus: [recorded('maps')],
    mutate: words(MAPS_WORDS),
    read: (text) => {
      const { files, anonymousBytes } = parseExecutableMemory(text);
      const ranges = files.map(({ range }) => range);
      isInFile(text, ['140737254216304', '4198400']);
      must(Number.isFinite(anonymousBytes), 'a number of bytes');
      must(
        ranges.every((range) => /^[0-9a-f]+-[0-9a-f]+$/.test(range)),
        'each range names a link in map_files',
      );
    },
    outcome: 'accepts',
  }),
  target({
    name: 'stat',
    weight: 2,
    corpus: [recorded('stat')],
    mutate: words([' ', ')', '(', 'S ', '-1']),
    read: parseStat,
    mayBeInternal: true,
  }),
  target({
    name: 'status',
    weight: 2,
    corpus: [recorded('status')],
    mutate: words(STATUS_WORDS),
    read: parseStatus,
    mayBeInternal: true,
  }),
  target({
    name: 'id-map',
    corpus: [recorded('uid_map'), '         0     100000      65536\n     65536       1000          1\n'],
    mutate: words(['0', ' ', '\n', '4294967295', '99999999999999999999']),
    read: parseIdMap,
    outcome: 'accepts',
  }),
];
