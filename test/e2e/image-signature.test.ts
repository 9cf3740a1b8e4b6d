// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CosignSigner, type SignatureFormat } from './cosign.ts';
import { ALL_FILES, PUBLIC_FILES, Scene } from './harness.ts';

const scene = new Scene('signed');
let cosign: CosignSigner;
beforeAll(async () => {
  cosign = new CosignSigner();
  await scene.open();
}, 300_000);
afterAll(async () => {
  cosign.close();
  await scene.leave();
}, 180_000);

const LIMIT = 120_000;

describe.each<SignatureFormat>(['simple', 'bundle'])(
  'a module that names signers, with signatures by cosign (%s)',
  (format) => {
    const name = `signed-${format}`;

    it(
      'is refused with reason ImageNotSigned while another key has signed its image, and attested once it names that one',
      async () => {
        const { image, reference } = await scene.push(`${name}-${scene.namespace}`);
        const [signed, other] = [await cosign.sign(format, reference), await cosign.sign(format, reference)];
        const another = await scene.push(`${name}-other-${scene.namespace}`);
        const stranger = await cosign.sign(format, another.reference);
        expect(new Set([signed, other, stranger]).size).toBe(3);
        const signers = (publicKey: string) => ({ keys: [{ name: 'release', publicKey }] });
        await scene.apply(
          ...scene.module(name, { spec: { signers: signers(stranger) }, container: { image: reference } }),
        );
        const refused = await scene.holder(name, 'Denied');
        expect(refused).toMatchObject({ reason: 'ImageNotSigned', imageDigest: image.index.digest });
        expect(refused.message).toContain('expected a signature by key release, found 2 signatures');
        await scene.filesAre(refused.pod, PUBLIC_FILES);

        const patch = JSON.stringify({ spec: { signers: signers(signed) } });
        await scene.run('patch', 'edgemodule', name, '--type=merge', '-p', patch);
        const holder = await scene.holder(name, 'Allowed');
        await scene.filesAre(holder.pod, ALL_FILES);
      },
      LIMIT,
    );

    it(
      'is refused where its image is not signed at all',
      async () => {
        const { reference } = await scene.push(`${name}-bare-${scene.namespace}`);
        const another = await scene.push(`${name}-other-${scene.namespace}`);
        const signers = { keys: [{ name: 'release', publicKey: await cosign.sign(format, another.reference) }] };
        await scene.apply(...scene.module(`${name}-bare`, { spec: { signers }, container: { image: reference } }));
        const refused = await scene.holder(`${name}-bare`, 'Denied');
        expect(refused.reason).toBe('ImageNotSigned');
        expect(refused.message).toContain('found no signature');
      },
      LIMIT,
    );
  },
);
