// SPDX-License-Identifier: Apache-2.0
import { create } from '@bufbuild/protobuf';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodePublishVolumeRequestSchema, type NodePublishVolumeRequest } from '../../../src/gen/csi/v1/csi_pb.js';
import type { KeyedCredentials, PublishedVolume } from '../../../src/deliver/port.ts';
import { mountTmpfs, parseMountInfo, unmountAll } from '../../../src/os/mount.ts';

/** Mounting needs root; elsewhere these tests say that they were skipped. */
export const isRoot = process.getuid?.() === 0;

/** A folder of this test's own that looks like a node: a kubelet root and a state directory. */
export class TestNode {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'ks-')));
  readonly kubeletRoot = join(this.root, 'kubelet');
  readonly stateDir = join(this.root, 'state');

  constructor() {
    // Tests read as other users.
    chmodSync(this.root, 0o755);
    mkdirSync(this.kubeletRoot);
    mkdirSync(this.stateDir);
  }

  podDirectory(podUid: string): string {
    return join(this.kubeletRoot, 'pods', podUid);
  }

  /** The target path of a pod's volume. Makes its parent, as the kubelet does. */
  target(podUid: string): string {
    const parent = join(this.podDirectory(podUid), 'volumes', 'kubernetes.io~csi', 'identity');
    mkdirSync(parent, { recursive: true });
    return join(parent, 'mount');
  }

  /** What the kubelet would send for a pod. */
  request(podUid: string, { fsGroup = '', attributes = {} } = {}): NodePublishVolumeRequest {
    return create(NodePublishVolumeRequestSchema, {
      volumeId: `csi-${podUid}`,
      targetPath: this.target(podUid),
      readonly: true,
      volumeContext: {
        'csi.storage.k8s.io/ephemeral': 'true',
        'csi.storage.k8s.io/pod.name': `name-of-${podUid}`,
        'csi.storage.k8s.io/pod.namespace': 'plant',
        'csi.storage.k8s.io/pod.uid': podUid,
        ...attributes,
      },
      volumeCapability: { accessType: { case: 'mount', value: { volumeMountGroup: fsGroup } } },
    });
  }

  /** A volume that is mounted already, without any driver. */
  mountedVolume(podUid: string, fsGroup?: number): PublishedVolume {
    const targetPath = this.target(podUid);
    mkdirSync(targetPath);
    mountTmpfs(targetPath, { source: 'keystead-test', sizeBytes: 1 << 20, inodes: 256, mode: 0o755 });
    const pod = { podUid, podNamespace: 'plant', podName: `name-of-${podUid}` };
    return { volumeId: `csi-${podUid}`, targetPath, ...pod, attributes: {}, ...(fsGroup !== undefined && { fsGroup }) };
  }

  /** Paths below this node at which something is mounted. */
  mounts(): string[] {
    const all = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
    return all.map(({ path }) => path).filter((path) => path.startsWith(this.root));
  }

  /** Removes everything. Tests that care for leaks ask `mounts()` before. */
  remove(): void {
    for (const path of this.mounts()) unmountAll(path);
    rmSync(this.root, { recursive: true });
  }
}

/** Self-signed pairs of key and certificate, made by openssl so that our own code is not its own judge. */
export function makeCredentials(count: number): KeyedCredentials[] {
  const folder = mkdtempSync(join(tmpdir(), 'ks-pairs-'));
  try {
    return Array.from({ length: count }, (_, n) => {
      const [key, certificate] = [join(folder, `${n}.key`), join(folder, `${n}.crt`)];
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      const args = ['req', '-x509', ...curve, '-subj', `/CN=pair-${n}`, '-keyout', key, '-out', certificate];
      execFileSync('openssl', args, { stdio: 'ignore' });
      return { privateKey: readFileSync(key, 'utf8'), chain: readFileSync(certificate, 'utf8') };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
