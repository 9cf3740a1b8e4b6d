// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { pushImage } from '../../src/build/image/registry.ts';
import { ALL_FILES, PUBLIC_FILES } from '../e2e/harness.ts';
import { AttackScene } from './attack.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackScene('image');
let other: Awaited<ReturnType<AttackScene['push']>>;
let right: typeof other;
beforeAll(async () => {
  await scene.open();
  // Once: the lab's registry does not like two pushes of one image at a time.
  right = await scene.push('a');
  other = await scene.push('b');
}, 120_000);
afterAll(() => scene.close(), 180_000);

const repository = (name: string) => ({ registry: scene.lab.registry, name });

describe('an image that is not the one', () => {
  attack('of another name and with all claims of the module is refused', async () => {
    const denied = await scene.refuses('other', { image: other.reference }, 'ImageDigestMismatch');
    expect(denied.message).toContain(scene.digests.index);
    expect(denied.imageDigest).toBe(other.image.index.digest);
  });

  attack('under the very name and tag of the right one, pulled by tag, is refused', async () => {
    const name = `keystead/attack-${scene.namespace}`;
    const tag = `${scene.lab.registry}/${name}:release`;
    await pushImage(right.image, 'release', repository(name));
    await scene.apply(...scene.claim('retagged'));
    const pod = (who: string): object =>
      scene.pod(who, { app: 'retagged' }, { image: tag, container: { imagePullPolicy: 'Always' } });
    await scene.apply(pod('before'));
    await scene.holder('retagged', 'Allowed', (holder) => holder.pod === 'before');
    await pushImage(other.image, 'release', repository(name));
    await scene.apply(pod('after'));
    const denied = await scene.holder('retagged', 'Denied', (holder) => holder.pod === 'after');
    expect(denied).toMatchObject({ reason: 'ImageDigestMismatch', imageDigest: other.image.index.digest });
    await scene.gotNothing('retagged', 'after');
    // The pod from before the tag moved still runs the right image.
    await scene.filesAre('before', ALL_FILES);
    await scene.remove('before', 'after');
  });

  attack('named by a tag that looks like the right digest is refused', async () => {
    const name = `keystead/attack-${scene.namespace}`;
    const tag = scene.digests.index.replace(':', '-');
    await pushImage(other.image, tag, repository(name));
    const image = `${scene.lab.registry}/${name}:${tag}`;
    const denied = await scene.refuses('lookalike', { image }, 'ImageDigestMismatch');
    expect(denied.message).toContain(other.image.index.digest);
  });

  attack('is not taken for the right one by a layer digest, which both share', async () => {
    const layer = right.image.layers[0]!.digest;
    expect(other.image.layers[0]!.digest).toBe(layer);
    const spec = { images: [{ digest: scene.digests.index }, { digest: layer }] };
    await scene.refuses('layer', { image: other.reference }, 'ImageDigestMismatch', { spec });
  });

  attack(
    'is not taken for the right one by its own configuration digest, where that of the right one is allowed',
    async () => {
      const spec = { images: [{ digest: scene.digests.config }] };
      const denied = await scene.refuses('config', { image: other.reference }, 'ImageDigestMismatch', { spec });
      expect(denied.message).toContain(other.image.config.digest);
    },
  );

  attack(
    'put into a pod that runs the right one ends the identity, and the right one again brings another',
    async () => {
      await scene.apply(...scene.claim('swapped'));
      await scene.apply(scene.pod('swapped', { app: 'swapped' }));
      const before = await scene.holder('swapped', 'Allowed');
      await scene.filesAre('swapped', ALL_FILES);
      await scene.run('set', 'image', 'pod/swapped', `main=${other.reference}`);
      const denied = await scene.holder('swapped', 'Denied');
      // The same pod: neither name nor uid tells of the change.
      expect(denied).toMatchObject({ podUid: before.podUid, reason: 'ImageDigestMismatch' });
      expect(denied.containerId).not.toBe(before.containerId);
      await scene.filesAre('swapped', PUBLIC_FILES);
      expect(scene.issuedTo(before.podUid)).toHaveLength(1);
      await scene.run('set', 'image', 'pod/swapped', `main=${scene.image}`);
      const after = await scene.holder('swapped', 'Allowed');
      expect(after.serial).not.toBe(before.serial);
      await scene.remove('swapped');
    },
  );

  attack('in a sidecar that looks right does not vouch for the module container', async () => {
    const sidecar = { name: 'right', image: scene.image, command: ['/bin/sleep', '1000000'] };
    const volumeMounts = [{ name: 'identity', mountPath: '/var/run/keystead', readOnly: true }];
    const main = { name: 'main', image: other.reference, command: ['/bin/sleep', '1000000'], volumeMounts };
    await scene.refuses('vouched', { spec: { containers: [main, sidecar] } }, 'ImageDigestMismatch');
  });
});
