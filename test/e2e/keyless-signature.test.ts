// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { daemonPid } from '../chaos/processes.ts';
import { waitForRelease } from '../quickstart/install.ts';
import { presentLab, runLab } from '../quickstart/target.ts';
import { ALL_FILES, PUBLIC_FILES, Scene } from './harness.ts';
import { Sigstore, type Issuer } from './sigstore.ts';

const execute = promisify(execFile);
const CHART = resolve(import.meta.dirname, '../../charts/keystead');
const LIMIT = 120_000;

/** Images signed by whom an identity token names, with Sigstore's own servers. */
const scene = new Scene('keyless');
const folder = join(scene.lab.dir, 'signatures');
let sigstore: Sigstore;

/** Has the agent look for signatures as the chart's values say. */
async function configure(values: { readonly trustedRoot: string; readonly hostPath: string }): Promise<void> {
  const target = presentLab()!;
  const set = Object.entries(values).flatMap(([name, value]) => [
    '--set-json',
    `signatures.${name}=${JSON.stringify(value)}`,
  ]);
  await execute(target.helm, ['upgrade', 'keystead', CHART, '-n', 'keystead-system', '--reuse-values', ...set], {
    env: target.kubectl.environment,
  });
  await waitForRelease(target);
}

beforeAll(async () => {
  sigstore = await Sigstore.start();
  mkdirSync(folder, { recursive: true });
  await configure({ trustedRoot: JSON.stringify(sigstore.addresses.trustedRoot), hostPath: folder });
  await scene.open();
}, 600_000);
afterAll(async () => {
  sigstore.close();
  await scene.leave();
  await configure({ trustedRoot: '', hostPath: '' });
  rmSync(folder, { recursive: true, force: true });
}, 300_000);

const EMAIL = 'release@acme.example';
const signers = ({ url }: Issuer, subject = EMAIL): object => ({ identities: [{ issuer: url, subject }] });

/** A module of an image, which must be signed. */
async function deploy(name: string, image: string, spec: object): Promise<void> {
  await scene.apply(...scene.module(name, { spec: { signers: spec }, container: { image } }));
}

async function refusedFor(name: string, message: string): Promise<void> {
  const refused = await scene.holder(name, 'Denied');
  expect(refused.reason).toBe('ImageNotSigned');
  expect(refused.message).toContain(message);
  await scene.filesAre(refused.pod, PUBLIC_FILES);
}

async function allowed(name: string): Promise<void> {
  await scene.filesAre((await scene.holder(name, 'Allowed')).pod, ALL_FILES);
}

describe('a module whose image was signed by an identity', () => {
  it(
    'is attested where that identity is listed; another subject, or the same one of another issuer, is refused',
    async () => {
      const [issuer, stranger] = sigstore.addresses.issuers;
      const { reference } = await scene.push(`keyless-${scene.namespace}`);
      await sigstore.attach(reference, await sigstore.sign(reference, EMAIL, issuer));
      await deploy('subject', reference, signers(issuer, 'intern@acme.example'));
      await deploy('issuer', reference, signers(stranger));
      await deploy('listed', reference, signers(issuer));
      await allowed('listed');
      await refusedFor('subject', 'signed by nobody who is allowed');
      await refusedFor('issuer', 'signed by nobody who is allowed');

      const patch = JSON.stringify({ spec: { signers: signers(issuer) } });
      await scene.run('patch', 'edgemodule', 'issuer', '--type=merge', '-p', patch);
      await allowed('issuer');
    },
    LIMIT,
  );

  it(
    'is refused where its bundle was tampered with, for what is wrong with it, and attested once a right one is beside it',
    async () => {
      const [issuer] = sigstore.addresses.issuers;
      const another = await scene.push(`keyless-another-${scene.namespace}`);
      const tampered = {
        'of-another-image': ['signed is sha256:', () => sigstore.sign(another.reference, EMAIL, issuer)],
        'not-in-the-log': ['expected 1 tlog entries', without('tlogEntries')],
        'without-a-time': ['expected 1 timestamps', without('timestampVerificationData')],
        'of-other-octets': ['timestamp could not be verified', withOtherSignature],
      } as const;
      const images = new Map<string, string>();
      for (const [name, [, change]] of Object.entries(tampered)) {
        const { reference } = await scene.push(`${name}-${scene.namespace}`);
        images.set(name, reference);
        await sigstore.attach(reference, await change(await sigstore.sign(reference, EMAIL, issuer)));
        await deploy(name, reference, signers(issuer));
      }
      for (const [name, [message]] of Object.entries(tampered)) await refusedFor(name, message);
      for (const reference of images.values()) {
        await sigstore.attach(reference, await sigstore.sign(reference, EMAIL, issuer));
      }
      for (const name of images.keys()) await allowed(name);
    },
    LIMIT,
  );
});

describe('while the registry is away', () => {
  it(
    "a module's image is verified by the bundle on the node's disk; one without is refused",
    async () => {
      const [issuer] = sigstore.addresses.issuers;
      const images = [
        await scene.push(`offline-${scene.namespace}`),
        await scene.push(`bare-${scene.namespace}`),
      ] as const;
      const [kept, bare] = images;
      const bundle = await sigstore.sign(kept.reference, EMAIL, issuer);
      writeFileSync(join(folder, `${kept.image.index.digest.replace(':', '-')}.json`), bundle);
      // The node has the images already.
      for (const [name, { reference }] of Object.entries({ kept, bare })) {
        await scene.apply(scene.pod(`pull-${name}`, {}, { image: reference }));
        await scene.run('wait', '--for=condition=Ready', `pod/pull-${name}`, '--timeout=60s');
      }
      process.kill(daemonPid(scene.lab, 'registry'), 'SIGKILL');
      try {
        await deploy('kept', kept.reference, signers(issuer));
        await deploy('bare', bare.reference, signers(issuer));
        await allowed('kept');
        await refusedFor('bare', 'found no signature');
      } finally {
        await runLab('up');
      }
    },
    LIMIT,
  );
});

interface Bundle {
  readonly verificationMaterial: Readonly<Record<string, unknown>>;
  readonly dsseEnvelope: { readonly signatures: readonly { readonly sig: string }[] };
}

function without(name: string): (bundle: string) => string {
  return (json) => {
    const bundle = JSON.parse(json) as Bundle;
    const { [name]: _gone, ...verificationMaterial } = bundle.verificationMaterial;
    return JSON.stringify({ ...bundle, verificationMaterial });
  };
}

function withOtherSignature(json: string): string {
  const bundle = JSON.parse(json) as Bundle;
  const signatures = bundle.dsseEnvelope.signatures.map(({ sig, ...rest }) => {
    const bytes = Buffer.from(sig, 'base64');
    bytes.writeUInt8(bytes.at(-1)! ^ 1, bytes.length - 1);
    return { ...rest, sig: bytes.toString('base64') };
  });
  return JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures } });
}
