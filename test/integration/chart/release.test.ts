// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual, promisify } from 'node:util';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { readLab } from '../../lab/index.ts';
import { Progress } from '../../lab/progress.ts';
import { pushedImages, type DemoImages } from '../../quickstart/images.ts';
import { CHART, helm } from './helm.ts';

const run = promisify(execFile);
const lab = readLab();
const RELEASE = 'keystead';
const NAMESPACE = 'chart-release';
const STATE = join(lab.dir, 'chart-release');
const CRDS = ['edgedevices', 'edgemodules', 'moduleidentities', 'trustbundles'].map((name) => `${name}.keystead.dev`);

async function kubectl(...args: string[]): Promise<string> {
  return (await run(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args])).stdout;
}

const present = async (...args: string[]) => (await kubectl('get', ...args, '-o', 'name', '--ignore-not-found')).trim();

/** One cluster holds one installation: a CSI driver and the CRDs have fixed names. */
const occupied = (await present('csidriver', 'csi.keystead.dev')) !== '' || (await present('crd', ...CRDS)) !== '';
if (occupied) console.warn('Keystead is installed in this lab already: install, upgrade and uninstall are not tested.');

let images: DemoImages;

function install(more: object = {}): Promise<string> {
  const values = {
    image: { registry: images.registry, digest: images.digests.product.index },
    kubeletRoot: lab.kubeletRoot,
    stateDir: STATE,
    runtime: { socket: lab.containerdSocket, root: join(lab.dir, 'containerd'), nriSocket: lab.nriSocket ?? '' },
    softhsm: { enabled: true },
    device: { create: true, spec: { trustDomain: 'edge.test' } },
    ...more,
  };
  const where = ['--namespace', NAMESPACE, '--create-namespace', '--values', '-', '--wait', '--timeout', '180s'];
  return helm(['upgrade', '--install', RELEASE, CHART, ...where], JSON.stringify(values));
}

async function uninstall(): Promise<void> {
  const how = ['--ignore-not-found', '--wait', '--cascade', 'foreground'];
  await helm(['uninstall', RELEASE, '--namespace', NAMESPACE, ...how]);
  // Helm may return before: an installation that finds the former objects would take them over, and see them go.
  await kubectl('wait', '-n', NAMESPACE, 'daemonset,deployment', '--all', '--for=delete', '--timeout=120s');
}

/** The lab's EdgeDevice once it is Ready. */
async function device(): Promise<EdgeDevice> {
  await kubectl('wait', `edgedevice/${lab.nodeName}`, '--for=condition=Ready', '--timeout=60s');
  return JSON.parse(await kubectl('get', 'edgedevice', lab.nodeName, '-o', 'json')) as EdgeDevice;
}

/** What must be the same after a restart: the token, and the authority in it. */
async function authority(): Promise<object> {
  const { status } = await device();
  return { serial: status?.token?.serial, fingerprint: status?.issuer?.fingerprint };
}

/** The EdgeDevice was Ready with another token; its status follows within seconds. */
async function untilOther(former: object): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (isDeepStrictEqual(await authority(), former)) {
    if (Date.now() > deadline) throw new Error('the EdgeDevice still reports the former token');
    await setTimeout(500);
  }
}

(occupied ? describe.skip : describe)('a release on the lab', () => {
  let made: object;

  beforeAll(async () => {
    images = await pushedImages(lab.registry, new Progress(() => undefined));
  }, 180_000);

  afterAll(async () => {
    await uninstall();
    await kubectl('delete', 'crd', '--ignore-not-found', ...CRDS);
    await kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found');
    await rm(STATE, { recursive: true, force: true });
  }, 180_000);

  it('installs and becomes ready, with an EdgeDevice for the node and a TrustBundle', async () => {
    await install();
    made = await authority();
    expect(made).toEqual({ serial: expect.any(String), fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await present('trustbundle', 'edge.test')).toBe('trustbundle.keystead.dev/edge.test');
  }, 300_000);

  it('upgrades to other values, with the same token and authority', async () => {
    await install({ logLevel: 'debug' });
    const log = await kubectl('-n', NAMESPACE, 'logs', `daemonset/${RELEASE}-node`, '-c', 'software-token');
    expect(log).toMatch(/software token keystead: present/);
    expect(await authority()).toEqual(made);
  }, 300_000);

  it('refuses bad values and stays as it is', async () => {
    await expect(install({ pin: { secretName: 'a', hostPath: '/b' } })).rejects.toThrow('give one of them');
    expect(await helm(['status', RELEASE, '--namespace', NAMESPACE])).toMatch(/STATUS: deployed/);
  }, 60_000);

  it('uninstalls all but the CRDs and what was declared', async () => {
    await uninstall();
    const kinds =
      'csidrivers,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings';
    const label = ['-l', `app.kubernetes.io/instance=${RELEASE}`];
    expect(await kubectl('get', kinds, ...label, '-o', 'name')).toBe('');
    expect(await kubectl('get', 'all,configmaps,serviceaccounts,roles', '-n', NAMESPACE, ...label, '-o', 'name')).toBe(
      '',
    );
    expect((await present('crd', ...CRDS)).split('\n')).toHaveLength(4);
    expect(await present('edgedevice', lab.nodeName)).toBe(`edgedevice.keystead.dev/${lab.nodeName}`);
    expect(await kubectl('get', 'csinode', lab.nodeName, '-o', 'jsonpath={.spec.drivers}')).not.toContain('keystead');
  }, 180_000);

  it('installs again over what it kept, and goes on with the same authority', async () => {
    await install();
    expect(await authority()).toEqual(made);
  }, 300_000);

  it('opens the token with a PIN from a Secret, which the notary alone can read', async () => {
    await uninstall();
    await kubectl('-n', NAMESPACE, 'create', 'secret', 'generic', 'token-pin', '--from-literal=user-pin=482915');
    await install({ stateDir: join(STATE, 'other'), pin: { secretName: 'token-pin', key: 'user-pin' } });
    await untilOther(made);
    const mode =
      "const { mode, uid, gid } = require('fs').statSync('/etc/keystead/pin/pin'); console.log((mode & 0o777).toString(8), uid, gid)";
    const inNotary = ['exec', `daemonset/${RELEASE}-node`, '-c', 'notary', '--', '/usr/local/bin/node', '-e', mode];
    expect(await kubectl('-n', NAMESPACE, ...inNotary)).toBe('440 0 64646\n');
  }, 300_000);

  it('takes the CRDs along where it shall not keep them', async () => {
    await install({
      crds: { keep: false },
      stateDir: join(STATE, 'other'),
      pin: { secretName: 'token-pin', key: 'user-pin' },
    });
    await uninstall();
    expect(await present('crd', ...CRDS)).toBe('');
  }, 300_000);
});
