// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findCondition } from '../../src/api/conditions.ts';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { requireTools } from '../integration/swtpm/swtpm.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { killNow, pidsOf } from '../chaos/processes.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';

const execute = promisify(execFile);
const CLI = join(import.meta.dirname, '../../src/bin/cli.ts');
const LIMIT = 240_000;
/** In the notary's own folder, which it shares with the node and with nobody else. */
const SOCKET = 'swtpm.sock';
const SOCKET_IN_NOTARY = `/var/lib/keystead/notary/${SOCKET}`;
const NONCE = 'ab'.repeat(32);

const scene = new Scene('tpm');
const folder = mkdtempSync(join(tmpdir(), 'keystead-e2e-tpm-'));
let swtpm: ChildProcess;
let before: EdgeDevice['spec']['rootOfTrust'];

/** The notary's state folder, as the node sees it. */
const STATE = join(scene.lab.dir, 'keystead/notary');

/** The next run has another TPM. */
function forgetTpm(): void {
  for (const name of [SOCKET, 'tpm']) rmSync(join(STATE, name), { recursive: true, force: true });
}

const device = (): Promise<(EdgeDevice & KubeObject) | undefined> =>
  scene.kubectl.find<EdgeDevice & KubeObject>(['edgedevice', scene.lab.nodeName]);

/** Gives the device another root of trust, and waits until the notary issues from it. */
async function useRoot(rootOfTrust: object, kind: string, rest: object = {}): Promise<EdgeDevice> {
  await patchDevice({ rootOfTrust, ...rest });
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
  forgetTpm();
  const state = ['--tpmstate', `dir=${folder}`, '--flags', 'not-need-init,startup-clear'];
  swtpm = spawn(
    'swtpm',
    ['socket', '--tpm2', ...state, '--server', `type=unixio,path=${join(STATE, SOCKET)},mode=0666`],
    {
      stdio: 'ignore',
    },
  );
}, LIMIT);

afterAll(async () => {
  try {
    await useRoot({ pkcs11: { ...before.pkcs11, sealPin: null }, tpm: null }, 'PKCS11', { measuredBoot: null });
  } finally {
    swtpm.kill('SIGTERM');
    if (swtpm.exitCode === null && swtpm.signalCode === null) await once(swtpm, 'exit');
    rmSync(folder, { recursive: true, force: true });
    forgetTpm();
    await scene.leave();
  }
}, LIMIT);

describe('a device whose root of trust is a TPM', () => {
  it(
    'issues to its modules with a key that the TPM proves to hold, and keeps their own keys in it',
    async () => {
      const former = (await device())!.status!.issuer!;
      const { status } = await useRoot({ ...nulled(before), tpm: { socket: SOCKET_IN_NOTARY } }, 'TPM');
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

describe('measured boot', () => {
  const measuredBoot = (change: object | null): Promise<string> => patchDevice({ measuredBoot: change });
  const verified = (status: string, reason: RegExp): Promise<unknown> =>
    until(`IntegrityVerified ${status} ${reason}`, 90, async () => {
      const found = findCondition((await device())?.status?.conditions, 'IntegrityVerified');
      return found?.status === status && reason.test(found.reason) ? found : JSON.stringify(found);
    });
  const held = (verdict: 'Allowed' | 'Denied', reason?: string) =>
    scene.holder('held', verdict, (holder) => reason === undefined || holder.reason === reason);

  afterAll(() => measuredBoot(null), LIMIT);

  it(
    'only reports, or takes back what modules hold until the node has proven what it booted',
    async () => {
      await measuredBoot({ mode: 'Report', interval: '1m' });
      const learnt = await keystead('device', 'learn', scene.lab.nodeName);
      expect(learnt).toMatch(/PCR/);
      await verified('True', /./);
      const { pcrs } = (await device())!.spec.measuredBoot!;
      const { pod } = await held('Allowed');
      const others = pcrs.map(({ index, sha256 }) => ({ index, sha256: index === 0 ? ['f'.repeat(64)] : sha256 }));
      await measuredBoot({ pcrs: others });
      await verified('False', /^PcrMismatch$/);
      await scene.filesAre(pod, ALL_FILES);

      await measuredBoot({ mode: 'Enforce' });
      const denied = await held('Denied', 'NodeNotTrusted');
      expect(denied.message).toContain('PCR 0');
      await scene.filesAre(pod, PUBLIC_FILES);

      await measuredBoot({ pcrs });
      await verified('True', /./);
      await held('Allowed');
      await scene.filesAre(pod, ALL_FILES);
    },
    LIMIT,
  );
});

describe('a PIN that the TPM of measured boot keeps', () => {
  const pin = join(scene.lab.dir, 'keystead/pin/pin');
  const away = `${pin}.away`;

  afterAll(async () => {
    if (existsSync(away)) renameSync(away, pin);
    await patchDevice({ measuredBoot: null });
  }, LIMIT);

  it(
    'opens the token of a notary that starts anew without its file',
    async () => {
      const measuredBoot = { mode: 'Report', tpm: { socket: SOCKET_IN_NOTARY } };
      await useRoot({ tpm: null, pkcs11: { ...before.pkcs11, sealPin: true } }, 'PKCS11', { measuredBoot });
      await until('a sealed PIN', 30, () =>
        Promise.resolve(readdirSync(STATE).some((name) => name.startsWith('sealed-pin')) || 'none yet'),
      );
      renameSync(pin, away);
      const [former] = pidsOf('notary');
      expect(killNow('notary')).toBe(1);
      await until('another notary', 60, () =>
        Promise.resolve(pidsOf('notary').some((pid) => pid !== former) || 'none yet'),
      );
      await scene.apply(...scene.module('after'));
      await scene.holder('after', 'Allowed', ({ serial }) => serial !== undefined);
      expect(existsSync(pin)).toBe(false);
    },
    LIMIT,
  );
});

function patchDevice(spec: object): Promise<string> {
  const patch = JSON.stringify({ spec });
  return scene.kubectl.run(['patch', 'edgedevice', scene.lab.nodeName, '--type=merge', '-p', patch]);
}

/** The former root of trust taken out by a merge patch. */
function nulled(rootOfTrust: object): object {
  return Object.fromEntries(Object.keys(rootOfTrust).map((kind) => [kind, null]));
}
