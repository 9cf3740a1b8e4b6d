// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { isSignedByOneOf } from './anchors.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';

const scene = new Scene('attest');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 120_000;

describe('a module that is what its EdgeModule allows', () => {
  it(
    'has its identity and the trust bundle, and its pod is ready',
    async () => {
      await scene.apply(
        ...scene.module('honest', {
          spec: { process: { uid: 1000, gid: 1000 } },
          container: { securityContext: { runAsUser: 1000, runAsGroup: 1000 } },
        }),
      );
      const holder = await scene.holder('honest', 'Allowed');
      expect(holder).toMatchObject({ node: scene.lab.nodeName, container: 'main', imageDigest: scene.digests.index });
      await scene.filesAre(holder.pod, ALL_FILES);
      const leaf = new X509Certificate(await scene.read(holder.pod, 'tls.crt'));
      expect(isSignedByOneOf(leaf, await scene.read(holder.pod, 'ca.crt'))).toBe(true);
      expect(leaf.subjectAltName).toBe(`URI:spiffe://edge.example.org/ns/${scene.namespace}/module/honest`);
      await scene.condition('moduleidentity', 'honest', 'Ready', 'True');
      await scene.condition('edgemodule', 'honest', 'Ready', 'True');
      await scene.run('wait', '--for=condition=Ready', `pod/${holder.pod}`, '--timeout=30s');
    },
    LIMIT,
  );

  it.each(['index', 'manifest', 'config'] as const)(
    'may be named by its %s digest',
    async (kind) => {
      const name = `by-${kind}`;
      await scene.apply(
        scene.object('EdgeModule', name, {
          selector: { matchLabels: { app: name } },
          images: [{ digest: scene.digests[kind] }],
        }),
        scene.object('ModuleIdentity', name, { moduleRef: { name } }),
        scene.pod(name, { app: name }),
      );
      await scene.holder(name, 'Allowed');
      await scene.filesAre(name, ALL_FILES);
    },
    LIMIT,
  );
});

describe('a pod that is not what its EdgeModule allows', () => {
  it(
    'of another image has the public bundle only, and the reason stands in status, Event and gate',
    async () => {
      const other = await scene.push('b');
      await scene.apply(
        scene.object('EdgeModule', 'strict', {
          selector: { matchLabels: { app: 'strict' } },
          images: [{ digest: scene.digests.index }],
        }),
        scene.object('ModuleIdentity', 'strict', { moduleRef: { name: 'strict' } }),
        scene.pod(
          'impostor',
          { app: 'strict' },
          { image: other.reference, spec: { readinessGates: [{ conditionType: 'keystead.dev/attested' }] } },
        ),
        scene.pod('original', { app: 'strict' }),
      );
      const denied = await scene.holder('strict', 'Denied');
      expect(denied).toMatchObject({ pod: 'impostor', reason: 'ImageDigestMismatch' });
      expect(denied.message).toContain(scene.digests.index);
      await scene.holder('strict', 'Allowed', ({ pod }) => pod === 'original');
      expect(await scene.files('impostor')).toEqual(PUBLIC_FILES);
      await until('the Event', 30, async () => {
        const events = await scene
          .run('get', 'events', '--field-selector=regarding.name=impostor,reason=ImageDigestMismatch', '-o', 'name')
          .catch(() =>
            scene.run(
              'get',
              'events',
              '--field-selector=involvedObject.name=impostor,reason=ImageDigestMismatch',
              '-o',
              'name',
            ),
          );
        return events.trim() === '' ? 'none' : { events };
      });
      await until('the gate', 30, async () => {
        const pod = await scene.find<
          KubeObject & { status?: { conditions?: { type: string; status: string; reason?: string }[] } }
        >('pod', 'impostor');
        const gate = pod?.status?.conditions?.find(({ type }) => type === 'keystead.dev/attested');
        return gate?.status === 'False' && gate.reason === 'ImageDigestMismatch' ? gate : JSON.stringify(gate ?? null);
      });
    },
    LIMIT,
  );

  it(
    'of another user is refused with CredentialsMismatch',
    async () => {
      await scene.apply(
        ...scene.module('other-user', {
          spec: { process: { uid: 1000 } },
          container: { securityContext: { runAsUser: 1001 } },
        }),
      );
      const denied = await scene.holder('other-user', 'Denied');
      expect(denied).toMatchObject({ reason: 'CredentialsMismatch' });
      expect(await scene.files(denied.pod)).toEqual(PUBLIC_FILES);
    },
    LIMIT,
  );

  it(
    'whose program is not listed is refused with ExecutableNotAllowed',
    async () => {
      await scene.apply(
        ...scene.module('unlisted', { spec: { process: { executables: [{ sha256: '0'.repeat(64) }] } } }),
      );
      expect(await scene.holder('unlisted', 'Denied')).toMatchObject({ reason: 'ExecutableNotAllowed' });
    },
    LIMIT,
  );

  it(
    'that two modules claim is refused with ModuleAmbiguous, at both',
    async () => {
      const spec = { selector: { matchLabels: { app: 'contested' } }, images: [{ digest: scene.digests.index }] };
      await scene.apply(
        scene.object('EdgeModule', 'first', spec),
        scene.object('EdgeModule', 'second', spec),
        scene.object('ModuleIdentity', 'first', { moduleRef: { name: 'first' } }),
        scene.object('ModuleIdentity', 'second', { moduleRef: { name: 'second' } }),
        scene.pod('contested', { app: 'contested' }, { identity: 'first' }),
      );
      for (const name of ['first', 'second']) {
        const denied = await scene.holder(name, 'Denied');
        expect(denied).toMatchObject({ reason: 'ModuleAmbiguous' });
        expect(denied.message).toMatch(/first.*second|second.*first/);
      }
      expect(await scene.files('contested')).toEqual(PUBLIC_FILES);
    },
    LIMIT,
  );

  it(
    'that no module claims has the public bundle only',
    async () => {
      await scene.apply(scene.pod('stranger', { app: 'nobody' }));
      await scene.run('wait', '--for=condition=Ready', 'pod/stranger', '--timeout=60s');
      expect(await scene.files('stranger')).toEqual(PUBLIC_FILES);
    },
    LIMIT,
  );
});

describe('an identity once given', () => {
  it(
    'is taken back when a dropped binary runs, and the reason is CodeNotFromImage',
    async () => {
      await scene.apply(...scene.module('dropped', { spec: { process: { allowExec: true } } }));
      const { pod } = await scene.holder('dropped', 'Allowed');
      await scene.filesAre(pod, ALL_FILES);
      await scene.run(
        'exec',
        pod,
        '--',
        '/bin/sh',
        '-c',
        'cp /bin/busybox /tmp/sleep && setsid /tmp/sleep 1000 >/dev/null 2>&1 </dev/null &',
      );
      const denied = await scene.holder('dropped', 'Denied');
      expect(denied.reason).toBe('CodeNotFromImage');
      await scene.filesAre(pod, PUBLIC_FILES);
    },
    LIMIT,
  );

  it(
    'is taken back when the module changes its mind about the image, and given again when it changes back',
    async () => {
      const module = (digest: string) =>
        scene.object('EdgeModule', 'edited', { selector: { matchLabels: { app: 'edited' } }, images: [{ digest }] });
      await scene.apply(
        module(scene.digests.index),
        scene.object('ModuleIdentity', 'edited', { moduleRef: { name: 'edited' } }),
        scene.pod('edited', { app: 'edited' }),
      );
      const before = await scene.holder('edited', 'Allowed');
      await scene.apply(module(`sha256:${'0'.repeat(64)}`));
      await scene.holder('edited', 'Denied');
      await scene.filesAre('edited', PUBLIC_FILES);
      await scene.apply(module(scene.digests.index));
      const after = await scene.holder('edited', 'Allowed');
      expect(after.serial).not.toBe(before.serial);
      await scene.filesAre('edited', ALL_FILES);
    },
    LIMIT,
  );

  it(
    'is void after its process, and the next process of the pod gets another',
    async () => {
      await scene.apply(
        ...scene.module('mortal', { container: { command: ['/bin/sh', '-c', 'while :; do sleep 1; done'] } }),
      );
      const before = await scene.holder('mortal', 'Allowed', ({ pid }) => pid !== undefined);
      await scene.run('exec', before.pod, '--', '/bin/sh', '-c', 'kill -9 -1; kill 1').catch(() => undefined);
      process.kill(before.pid!, 'SIGKILL');
      const after = await scene.holder('mortal', 'Allowed', ({ containerId }) => containerId !== before.containerId);
      expect(after.serial).not.toBe(before.serial);
      await scene.filesAre(after.pod, ALL_FILES);
    },
    LIMIT,
  );

  it(
    'is not issued anew without need',
    async () => {
      await scene.apply(...scene.module('steady'));
      const before = await scene.holder('steady', 'Allowed');
      await scene.run('annotate', 'pod', before.pod, 'touched=1');
      await scene.run('annotate', 'edgemodule', 'steady', 'touched=1');
      await scene.run('annotate', 'moduleidentity', 'steady', 'touched=1');
      // The module is measured again each second; three of these pass.
      await new Promise((resolve) => setTimeout(resolve, 3_500));
      expect(await scene.holder('steady', 'Allowed')).toMatchObject({ serial: before.serial, revision: 1 });
    },
    LIMIT,
  );
});
