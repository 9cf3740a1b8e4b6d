// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findCondition } from '../../src/api/conditions.ts';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { requireTools } from '../integration/swtpm/swtpm.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { Scene, until } from './harness.ts';

const execute = promisify(execFile);
const CLI = join(import.meta.dirname, '../../src/bin/cli.ts');
const LIMIT = 240_000;
/** In the notary's own folder, which it shares with the node and with nobody else. */
const SOCKET = 'swtpm.sock';
const NONCE = 'ab'.repeat(32);

const scene = new Scene('tpm');
const folder = mkdtempSync(join(tmpdir(), 'keystead-e2e-tpm-'));
let swtpm: ChildProcess;
let before: EdgeDevice['spec']['rootOfTrust'];

const device = (): Promise<(EdgeDevice & KubeObject) | undefined> =>
  scene.kubectl.find<EdgeDevice & KubeObject>(['edgedevice', scene.lab.nodeName]);

/** Gives the device another root of trust, and waits until the notary issues from it. */
async function useRoot(rootOfTrust: object, kind: string): Promise<EdgeDevice> {
  const patch = JSON.stringify({ spec: { rootOfTrust } });
  await scene.kubectl.run(['patch', 'edgedevice', scene.lab.nodeName, '--type=merge', '-p', patch]);
  return until(`a device that issues by ${kind}`, 60, async () => {
    const found = await device();
    const ready = findCondition(found?.status?.conditions, 'Ready');
    const current = ready?.observedGeneration === found?.metadata.generation && found?.status?.token?.kind === kind;
    return current && ready?.status === 'True' ? found : JSON.stringify([found?.status?.token, ready]);
  });
}

/** The last of the chain and those of the bundle, by which a peer judges the module. */
async function chainOf(pod: string): Promise<{ leaf: X509Certificate; anchors: X509Certificate[] }> {
  const [chain, bundle] = [await scene.read(pod, 'tls.crt'), await scene.read(pod, 'trust-bundle.pem')];
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return { leaf: new X509Certificate(chain), anchors: blocks.map((pem) => new X509Certificate(pem)) };
}

async function keystead(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: scene.lab.kubeconfig };
  return (await execute(process.execPath, [CLI, ...args], { env })).stdout;
}

beforeAll(async () => {
  requireTools();
  await scene.open();
  before = (await device())!.spec.rootOfTrust;
  const path = join(scene.lab.dir, 'keystead/notary', SOCKET);
  rmSync(path, { force: true });
  const state = ['--tpmstate', `dir=${folder}`, '--flags', 'not-need-init,startup-clear'];
  swtpm = spawn('swtpm', ['socket', '--tpm2', ...state, '--server', `type=unixio,path=${path},mode=0666`], {
    stdio: 'ignore',
  });
}, LIMIT);

afterAll(async () => {
  try {
    await useRoot({ ...before, tpm: null }, 'PKCS11');
  } finally {
    swtpm.kill('SIGTERM');
    if (swtpm.exitCode === null && swtpm.signalCode === null) await once(swtpm, 'exit');
    rmSync(folder, { recursive: true, force: true });
    await scene.close();
  }
}, LIMIT);

describe('a device whose root of trust is a TPM', () => {
  it(
    'issues to its modules with a key that the TPM proves to hold, and keeps their own keys in it',
    async () => {
      const former = (await device())!.status!.issuer!;
      const socket = `/var/lib/keystead/notary/${SOCKET}`;
      const { status } = await useRoot({ ...nulled(before), tpm: { socket } }, 'TPM');
      expect(status!.issuer!.keyURI).toMatch(/^tpm:parent=0x81000001;object=keystead-issuer/);
      expect(status!.issuer!.fingerprint).not.toBe(former.fingerprint);
      await scene.apply(
        ...scene.module('held'),
        ...scene.module('hardware', {
          identity: { key: { residency: 'Hardware' }, delivery: ['Volume', 'Socket'], notary: { sign: true } },
        }),
      );
      const held = await scene.holder('held', 'Allowed', ({ serial }) => serial !== undefined);
      const { leaf, anchors } = await chainOf(held.pod);
      expect(leaf.subjectAltName).toBe(`URI:spiffe://edge.example.org/ns/${scene.namespace}/module/held`);
      const issuer = anchors.find((anchor) => leaf.checkIssued(anchor) && leaf.verify(anchor.publicKey))!;
      expect(issuer.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(status!.issuer!.fingerprint);
      const { key } = await scene.holder('hardware', 'Allowed', ({ serial }) => serial !== undefined);
      expect(key).toMatchObject({ residency: 'Hardware', uri: expect.stringMatching(/^tpm:.*keystead-module/) });
      const [evidence, certificate] = [join(folder, 'key.json'), join(folder, 'issuer.pem')];
      writeFileSync(evidence, await keystead('key-evidence', scene.lab.nodeName, '--nonce', NONCE));
      writeFileSync(certificate, issuer.toString());
      const said = await keystead('verify-key', evidence, '--nonce', NONCE, '--public-key', certificate);
      expect(said).toMatch(/^Proven +the key was made in the TPM that holds the attestation key/);
      expect(said).toContain('Proven  it was made after you asked for it');
      expect(said).toContain('Proven  the evidence is about the key that you gave');
    },
    LIMIT,
  );
});

/** The former root of trust taken out by a merge patch. */
function nulled(rootOfTrust: object): object {
  return Object.fromEntries(Object.keys(rootOfTrust).map((kind) => [kind, null]));
}
