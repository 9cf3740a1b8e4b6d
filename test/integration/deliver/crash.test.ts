// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { NodeService } from '../../../src/deliver/csi/node.ts';
import { VolumeRecords } from '../../../src/deliver/csi/records.ts';
import type { PublishRequest } from '../../../src/deliver/csi/request.ts';
import type { Credentials } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { isMountPoint, mountTmpfs, unmountAll } from '../../../src/os/mount.ts';
import { isRoot, makeCredentials, TestNode } from './fixture.ts';

const PUBLIC = ['ca.crt', 'trust-bundle.pem'];
const ALL = ['ca.crt', 'credential-bundle.pem', 'tls.crt', 'tls.key', 'trust-bundle.pem'];
const CHILD = join(import.meta.dirname, 'crash-child.ts');

(isRoot ? describe : describe.skip)('a driver killed between any two steps', () => {
  let folder: string;
  let pairs: Credentials[];
  let credentialsFile: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ks-crash-'));
    pairs = makeCredentials(2);
    credentialsFile = join(folder, 'credentials.json');
    writeFileSync(credentialsFile, JSON.stringify(pairs));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs a volume's life in a process that dies before its n-th change. Resolves with the number of changes if not. */
  const dieAt = async (n: number, node: TestNode, request: PublishRequest): Promise<number | 'killed'> => {
    writeFileSync(join(node.root, 'request.json'), JSON.stringify(request));
    const child = spawn(process.execPath, [CHILD, node.root, credentialsFile, String(n)], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = text(child.stdout);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (signal === 'SIGKILL') return 'killed';
    if (code !== 0) throw new Error(`the child failed with ${String(code)}`);
    return Number(await output);
  };

  /** The driver as it comes up again on the same node. */
  const restart = async (node: TestNode): Promise<{ service: NodeService; volumes: VolumeStore }> => {
    const volumes = new VolumeStore();
    const tmpfs = { source: 'keystead-test', sizeBytes: 1 << 20, inodes: 256, mode: 0o755 };
    const service = new NodeService({
      kubeletRoot: node.kubeletRoot,
      records: new VolumeRecords(node.stateDir),
      volumes,
      mounts: { isMounted: isMountPoint, mount: (path) => mountTmpfs(path, tmpfs), unmountAll },
      events: { onPublish: () => 'BUNDLE\n', onUnpublish: () => undefined },
      log: pino({ enabled: false }),
    });
    await service.recover();
    return { service, volumes };
  };

  const names = (target: string): string[] =>
    readdirSync(target)
      .filter((name) => !name.startsWith('..'))
      .sort();
  const recordFiles = (node: TestNode): string[] => readdirSync(join(node.stateDir, 'volumes'));

  /** What a module could see, and what lies about, right after recovery. */
  const expectWhole = (node: TestNode, volumes: VolumeStore, request: PublishRequest): void => {
    expect(recordFiles(node).filter((name) => !/^[0-9a-f]{64}\.json$/.test(name))).toEqual([]);
    expect(volumes.list()).toHaveLength(node.mounts().length);
    const [volume] = volumes.list();
    if (!volume) return;
    const shown = names(request.targetPath);
    expect([[], PUBLIC, ALL]).toContainEqual(shown);
    const credentials = volumes.readCredentials(volume);
    if (shown.length === ALL.length) expect(pairs).toContainEqual(credentials);
    else expect(credentials).toBeUndefined();
    const hidden = readdirSync(request.targetPath).filter((name) => name.startsWith('..'));
    expect(hidden).toHaveLength(shown.length === 0 ? 0 : 2);
  };

  const expectPublished = (node: TestNode, request: PublishRequest): void => {
    expect(node.mounts()).toEqual([request.targetPath]);
    expect([PUBLIC, ALL]).toContainEqual(names(request.targetPath));
  };

  const expectNothingLeft = (node: TestNode, request: PublishRequest): void => {
    expect(node.mounts()).toEqual([]);
    expect(existsSync(request.targetPath)).toBe(false);
    expect(recordFiles(node)).toEqual([]);
  };

  /** Dies before change n, comes up again, and is asked by the kubelet to publish (or not) and to unpublish. */
  const trial = async (n: number, publishedAgain: boolean): Promise<number | 'killed'> => {
    const node = new TestNode();
    try {
      const request = node.request('pod-1');
      const outcome = await dieAt(n, node, request);
      const { service, volumes } = await restart(node);
      expectWhole(node, volumes, request);
      if (publishedAgain) {
        await service.publish(request);
        expectPublished(node, request);
      }
      await service.unpublish(request);
      expectNothingLeft(node, request);
      return outcome;
    } finally {
      node.remove();
    }
  };

  it('is repaired when it starts, and leaves nothing', async () => {
    const changes = Number(await trial(0, true));
    expect(changes).toBeGreaterThan(50);
    const points = Array.from({ length: changes }, (_, index) => index + 1).values();
    const worker = async (): Promise<void> => {
      // The kubelet may as well not publish again: its pod may have gone in the meantime.
      for (const n of points) expect(await trial(n, n % 4 !== 0)).toBe('killed');
    };
    await Promise.all([worker(), worker()]);
  }, 300_000);
});
