// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { attachSignature } from './cosign.ts';
import { ALL_FILES, PUBLIC_FILES, Scene } from './harness.ts';

const scene = new Scene('signed');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

const LIMIT = 120_000;
const release = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signers = {
  keys: [{ name: 'release', publicKey: release.publicKey.export({ type: 'spki', format: 'pem' }) }],
};

describe('a module that names signers', () => {
  it(
    'is attested once its image is signed by one of them, and until then refused with reason ImageNotSigned',
    async () => {
      const { image, reference } = await scene.push(`signed-${scene.namespace}`);
      await attachSignature({ reference, digest: image.index.digest, privateKey: stranger.privateKey });
      await scene.apply(...scene.module('signed', { spec: { signers }, container: { image: reference } }));
      const refused = await scene.holder('signed', 'Denied');
      expect(refused).toMatchObject({ reason: 'ImageNotSigned' });
      expect(refused.message).toContain('expected a signature by key release, found 1 signatures');
      await scene.filesAre(refused.pod, PUBLIC_FILES);

      await attachSignature({ reference, digest: image.index.digest, privateKey: release.privateKey });
      const holder = await scene.holder('signed', 'Allowed');
      await scene.filesAre(holder.pod, ALL_FILES);
    },
    LIMIT,
  );
});
