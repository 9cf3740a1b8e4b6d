// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { crlsIn, readCrl } from '../../src/issue/crl-reader.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';

const scene = new Scene('revoke');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 120_000;

/** Serials in PEM of lists. */
const serialsIn = (pem: string): string[] => crlsIn(pem).flatMap((der) => readCrl(der).serials);

function listed(what: string, serial: string, lists: () => Promise<string>): Promise<true> {
  return until(`${serial} in ${what}`, 30, async () => {
    const serials = serialsIn(await lists());
    return serials.includes(serial) ? (true as const) : `${serials.length} others`;
  });
}

/** What openssl says of a certificate, as a peer would that checks revocation. */
async function verified(chain: string, observer: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-revoke-'));
  const path = (name: string): string => join(folder, name);
  try {
    writeFileSync(path('leaf.pem'), chain);
    for (const name of ['ca.crt', 'crl.pem']) writeFileSync(path(name), await scene.read(observer, name));
    const options = ['verify', '-crl_check', '-CAfile', path('ca.crt'), '-CRLfile', path('crl.pem'), path('leaf.pem')];
    const { stdout, stderr } = spawnSync('openssl', options, { encoding: 'utf8' });
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function event(pod: string, reason: string): Promise<void> {
  await until(`Event ${reason}`, 30, async () => {
    const selector = `--field-selector=involvedObject.name=${pod},reason=${reason}`;
    const events = await scene.run('get', 'events', selector, '-o', 'name');
    return events.trim() === '' ? 'none' : { events };
  });
}

const images = (digest: string): string => JSON.stringify({ spec: { images: [{ digest }] } });

describe('what was taken back', () => {
  it(
    'is on the list in every pod, in the device and in the bundle; openssl refuses it; the next one is good',
    async () => {
      const other = await scene.push('b');
      await scene.apply(
        ...scene.module('peer'),
        scene.object('EdgeModule', 'press', {
          selector: { matchLabels: { app: 'press' } },
          images: [{ digest: scene.digests.index }],
        }),
        scene.object('ModuleIdentity', 'press', { moduleRef: { name: 'press' } }),
        scene.pod('press', { app: 'press' }),
      );
      const [held, peer] = [await scene.holder('press', 'Allowed'), await scene.holder('peer', 'Allowed')];
      await scene.filesAre('press', ALL_FILES);
      const stolen = await scene.read('press', 'tls.crt');
      expect(await verified(stolen, peer.pod)).toContain('leaf.pem: OK');

      await scene.run('patch', 'edgemodule', 'press', '--type=merge', '-p', images(other.image.index.digest));
      expect(await scene.holder('press', 'Denied')).toMatchObject({ reason: 'ImageDigestMismatch' });
      await scene.filesAre('press', PUBLIC_FILES);
      await listed("another pod's crl.pem", held.serial!, () => scene.read(peer.pod, 'crl.pem'));
      expect(await verified(stolen, peer.pod)).toContain('certificate revoked');
      expect(await verified(await scene.read(peer.pod, 'tls.crt'), peer.pod)).toContain('leaf.pem: OK');
      await listed('EdgeDevice.status', held.serial!, async () => {
        const device = await scene.find<EdgeDevice & KubeObject>('edgedevice', scene.lab.nodeName);
        return device?.status?.revocation?.crl ?? '';
      });
      await listed('TrustBundle.status', held.serial!, () =>
        scene.kubectl.run(['get', 'trustbundle', '-o', 'jsonpath={.items[*].status.crl}']),
      );

      await scene.run('patch', 'edgemodule', 'press', '--type=merge', '-p', images(scene.digests.index));
      const again = await scene.holder('press', 'Allowed');
      expect(again.serial).not.toBe(held.serial);
      await scene.filesAre('press', ALL_FILES);
      expect(await verified(await scene.read('press', 'tls.crt'), peer.pod)).toContain('leaf.pem: OK');
      await event('press', 'Recovered');
    },
    LIMIT,
  );

  it(
    'by the end of its process is on the list too',
    async () => {
      await scene.apply(...scene.module('short'));
      const held = await scene.holder('short', 'Allowed');
      const peer = await scene.holder('peer', 'Allowed');
      await scene.run('delete', 'pod', held.pod, '--wait=false');
      await listed("another pod's crl.pem", held.serial!, () => scene.read(peer.pod, 'crl.pem'));
    },
    LIMIT,
  );
});
