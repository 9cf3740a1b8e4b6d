// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startCsiDriver, type CsiDriver } from '../../../src/deliver/csi/driver.ts';
import type { KeyedCredentials, PublishedVolume } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { createLogger } from '../../../src/log.ts';
import { parseMountInfo } from '../../../src/os/mount.ts';
import { readLab, type Lab } from '../../lab/index.ts';
import { PAUSE_IMAGE } from '../../lab/pause-image.ts';
import { makeCredentials } from './fixture.ts';
import { kubectlOf, type Kubectl } from './kubectl.ts';

/** Not the product's, which may be installed on the same node. */
const DRIVER = 'csi-test.keystead.dev';
const POD = 'csi-test-reader';
const WRITABLE_POD = 'csi-test-writable';
const OWNER = { uid: 10001, gid: 10001 };
const GROUP = 20003;

const CSI_DRIVER_OBJECT = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIDriver',
  metadata: { name: DRIVER },
  spec: {
    attachRequired: false,
    podInfoOnMount: true,
    volumeLifecycleModes: ['Ephemeral'],
    requiresRepublish: false,
    fsGroupPolicy: 'None',
    seLinuxMount: false,
  },
};

const container = (name: string, runAsUser: number, script: string): object => ({
  name,
  image: PAUSE_IMAGE,
  imagePullPolicy: 'Never',
  command: ['/bin/sh', '-c', script],
  securityContext: { runAsUser, runAsGroup: runAsUser, allowPrivilegeEscalation: false },
  volumeMounts: [{ name: 'identity', mountPath: '/var/run/keystead' }],
});

const pod = (name: string, readOnly: boolean, ...containers: object[]): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: { fsGroup: GROUP },
    containers,
    volumes: [{ name: 'identity', csi: { driver: DRIVER, readOnly, volumeAttributes: { identity: 'sensor' } } }],
  },
});

describe('the driver under a real kubelet', () => {
  let lab: Lab;
  let kubectl: Kubectl;
  let stateDir: string;
  let volumes = new VolumeStore();
  let driver: CsiDriver | undefined;
  let published: PublishedVolume[] = [];
  let gone: PublishedVolume[] = [];
  let pair: KeyedCredentials;

  const inPod = (name: string, command: string): Promise<string> =>
    kubectl(['exec', POD, '-c', name, '--', '/bin/busybox', 'sh', '-c', command]);
  const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!(await holds())) {
      await pause(100);
      if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    }
  };
  const start = async (): Promise<void> => {
    volumes = new VolumeStore();
    driver = await startCsiDriver({
      kubeletRoot: lab.kubeletRoot,
      stateDir,
      nodeName: lab.nodeName,
      driverName: DRIVER,
      volumes,
      onPublish: (volume) => {
        published.push(volume);
        return 'TRUST BUNDLE\n';
      },
      onUnpublish: (volume) => void gone.push(volume),
      podOf: () => undefined,
      log: createLogger('test', 'warn'),
    });
    await until('registration', () => driver?.registered === true);
  };
  const ownMounts = (): string[] =>
    parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')).flatMap(({ path, source }) =>
      source === DRIVER ? [path] : [],
    );
  const removePods = (): Promise<string> =>
    kubectl(['delete', 'pod', POD, WRITABLE_POD, '--ignore-not-found', '--wait=true']);

  beforeAll(async () => {
    lab = readLab();
    kubectl = kubectlOf(lab);
    stateDir = mkdtempSync(join(tmpdir(), 'ks-kubelet-'));
    [pair] = makeCredentials(1) as [KeyedCredentials];
    await start();
    await removePods();
    await kubectl(['apply', '-f', '-'], CSI_DRIVER_OBJECT);
    [published, gone] = [[], []];
    const reader = 'echo start: $(/bin/busybox ls /var/run/keystead); exec sleep 600';
    const containers = [container('module', OWNER.uid, reader), container('other', 10009, reader)];
    await kubectl(['apply', '-f', '-'], pod(POD, true, ...containers));
    await kubectl(['wait', 'pod', POD, '--for=condition=Ready', '--timeout=60s']);
  }, 180_000);

  afterAll(async () => {
    await removePods();
    await kubectl(['delete', 'csidriver', DRIVER, '--ignore-not-found']);
    await driver?.stop();
    rmSync(stateDir, { recursive: true });
    rmdirSync(join(lab.kubeletRoot, 'plugins', DRIVER));
  }, 120_000);

  it('is asked once for a volume of the pod, with its fsGroup and attributes', async () => {
    expect(published).toHaveLength(1);
    expect(volumes.list()).toEqual(published);
    const podUid = await kubectl(['get', 'pod', POD, '-o', 'jsonpath={.metadata.uid}']);
    expect(volumes.of(podUid)).toMatchObject({
      podNamespace: 'default',
      podName: POD,
      fsGroup: GROUP,
      attributes: { identity: 'sensor' },
    });
  });

  it('gives the pod the trust bundle alone before its first instruction', async () => {
    expect(await kubectl(['logs', POD, '-c', 'module'])).toBe('start: ca.crt trust-bundle.pem\n');
    expect(await inPod('module', 'cat /var/run/keystead/ca.crt')).toBe('TRUST BUNDLE\n');
  });

  it('shows the running module its credentials as soon as they are written', async () => {
    volumes.writeCredentials(volumes.list()[0]!, pair, OWNER);
    expect(await inPod('module', 'cat /var/run/keystead/credential-bundle.pem')).toBe(pair.privateKey + pair.chain);
    expect(await inPod('other', 'cat /var/run/keystead/tls.key')).toBe(pair.privateKey);
    expect(await inPod('other', 'id')).toContain(String(GROUP));
  });

  it('does not let the pod write', async () => {
    await expect(inPod('module', 'echo x > /var/run/keystead/x')).rejects.toThrow('Read-only file system');
  });

  it('comes back after a restart with its volumes, and registers again', async () => {
    const before = volumes.list();
    await driver?.stop();
    await start();
    expect(volumes.list()).toEqual(before);
    expect(volumes.readCredentials(before[0]!)).toEqual(pair);
    volumes.writeBundle(before[0]!, 'NEXT BUNDLE\n');
    expect(await inPod('module', 'cat /var/run/keystead/trust-bundle.pem')).toBe('NEXT BUNDLE\n');
    expect(volumes.withdraw(before[0]!)).toBe(true);
    expect(await inPod('module', 'ls /var/run/keystead')).toBe('ca.crt\ntrust-bundle.pem\n');
  }, 120_000);

  it('tells the author of a pod in an Event what to put right', async () => {
    await kubectl(['apply', '-f', '-'], pod(WRITABLE_POD, false, container('module', OWNER.uid, 'sleep 600')));
    const events = (): Promise<string> =>
      kubectl(['get', 'events', '--field-selector', `involvedObject.name=${WRITABLE_POD}`]);
    await until('event', async () => (await events()).includes('set readOnly: true in the csi volume of the pod'));
    expect(await events()).toContain('FailedMount');
  }, 120_000);

  it('leaves nothing when the pods are deleted', async () => {
    const [volume] = volumes.list();
    await removePods();
    await until('unpublish', () => gone.length === 1);
    expect(gone).toEqual([volume]);
    expect(ownMounts()).toEqual([]);
    expect(readdirSync(join(stateDir, 'volumes'))).toEqual([]);
    const podDirectory = join(lab.kubeletRoot, 'pods', volume!.podUid);
    await until('removal of the pod directory', () => !existsSync(podDirectory));
  }, 120_000);
});
