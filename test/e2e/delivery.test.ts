// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { isSignedByOneOf } from './anchors.ts';
import { ALL_FILES, PUBLIC_FILES, Scene, until } from './harness.ts';

const scene = new Scene('deliver');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 120_000;
type Secret = KubeObject & { readonly type: string; readonly data?: Readonly<Record<string, string>> };

describe('the volume', () => {
  it(
    'holds a key that fits the certificate, for the module user alone',
    async () => {
      await scene.apply(...scene.module('reader', { spec: { process: { allowExec: true } } }));
      const { pod } = await scene.holder('reader', 'Allowed');
      await scene.filesAre(pod, ALL_FILES);
      const key = createPrivateKey(await scene.read(pod, 'tls.key'));
      expect(new X509Certificate(await scene.read(pod, 'tls.crt')).checkPrivateKey(key)).toBe(true);
      const stat = await scene.run('exec', pod, '--', '/bin/stat', '-L', '-c', '%u %a', '/var/run/keystead/tls.key');
      expect(stat.trim()).toBe('1000 400');
      const bundle = await scene.read(pod, 'credential-bundle.pem');
      expect(bundle.indexOf('PRIVATE KEY')).toBeLessThan(bundle.indexOf('CERTIFICATE'));
    },
    LIMIT,
  );

  it(
    'honours fsGroup',
    async () => {
      const spec = { process: { allowExec: true } };
      await scene.apply(...scene.module('grouped', { spec, pod: { securityContext: { fsGroup: 4321 } } }));
      const { pod } = await scene.holder('grouped', 'Allowed');
      await scene.filesAre(pod, ALL_FILES);
      const stat = await scene.run('exec', pod, '--', '/bin/stat', '-L', '-c', '%u %g %a', '/var/run/keystead/tls.key');
      expect(stat.trim()).toBe('1000 4321 440');
    },
    LIMIT,
  );

  it(
    'is empty of credentials in a pod where another container mounts it too',
    async () => {
      const containers = ['main', 'sidecar'].map((name) => ({
        name,
        image: scene.image,
        command: ['/bin/sleep', '1000000'],
        ...(name === 'sidecar' && { volumeMounts: [{ name: 'identity', mountPath: '/id', readOnly: true }] }),
      }));
      await scene.apply(
        scene.object('EdgeModule', 'shared', {
          selector: { matchLabels: { app: 'shared' } },
          images: [{ digest: scene.digests.index }],
        }),
        scene.object('ModuleIdentity', 'shared', { moduleRef: { name: 'shared' } }),
        scene.pod(
          'shared',
          { app: 'shared' },
          { spec: { containers: [{ ...containers[0], volumeMounts: containers[1]!.volumeMounts }, containers[1]] } },
        ),
      );
      expect(await scene.holder('shared', 'Denied')).toMatchObject({ reason: 'PodNotBound' });
    },
    LIMIT,
  );

  it(
    'is renewed in time, with another key',
    async () => {
      await scene.apply(...scene.module('short', { identity: { x509: { duration: '1m', renewAtPercent: 20 } } }));
      const before = await scene.holder('short', 'Allowed');
      const after = await scene.holder('short', 'Allowed', ({ revision }) => (revision ?? 0) > 1);
      expect(after.serial).not.toBe(before.serial);
      expect(after.containerId).toBe(before.containerId);
    },
    LIMIT,
  );

  it(
    'loses its credentials when the ModuleIdentity is deleted',
    async () => {
      await scene.apply(...scene.module('orphan'));
      const { pod } = await scene.holder('orphan', 'Allowed');
      await scene.filesAre(pod, ALL_FILES);
      await scene.run('delete', 'moduleidentity', 'orphan', '--wait=false');
      await until('withdrawal, or a pod without the volume', 60, async () => {
        const files = await scene.files(pod).catch(() => PUBLIC_FILES);
        return files.length === PUBLIC_FILES.length ? { files } : files.join(' ');
      });
    },
    LIMIT,
  );
});

describe('a Secret', () => {
  it(
    'is there before the pod with the bundle, is filled after attestation, and the pod sees it at once',
    async () => {
      await scene.apply(
        ...scene.module('secretive', { identity: { delivery: ['Secret'], secretName: 'secretive-tls' } }),
      );
      const { pod } = await scene.holder('secretive', 'Allowed');
      const secret = await until('the filled Secret', 30, async () => {
        const found = await scene.find<Secret>('secret', 'secretive-tls');
        return found?.data?.['tls.key'] ? found : 'not filled';
      });
      expect(secret.type).toBe('kubernetes.io/tls');
      const text = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString();
      const leaf = new X509Certificate(text('tls.crt'));
      expect(isSignedByOneOf(leaf, text('ca.crt'))).toBe(true);
      expect(leaf.checkPrivateKey(createPrivateKey(text('tls.key')))).toBe(true);
      await until('the file in the pod', 15, async () => {
        const found = await scene.read(pod, 'tls.crt').catch(String);
        return found === text('tls.crt') ? { found } : found.slice(0, 80);
      });
    },
    LIMIT,
  );

  it(
    'is emptied when the module is refused',
    async () => {
      await scene.apply(
        ...scene.module('careless', { identity: { delivery: ['Secret'], secretName: 'careless-tls' } }),
      );
      const { pod } = await scene.holder('careless', 'Allowed');
      const filled = async (): Promise<boolean> =>
        Boolean((await scene.find<Secret>('secret', 'careless-tls'))?.data?.['tls.key']);
      await until('the filled Secret', 30, async () => ((await filled()) ? { filled: true } : 'empty'));
      await scene.run(
        'exec',
        pod,
        '--',
        '/bin/sh',
        '-c',
        'cp /bin/busybox /tmp/sleep && setsid /tmp/sleep 1000 >/dev/null 2>&1 </dev/null &',
      );
      await scene.holder('careless', 'Denied');
      await until('the empty Secret', 30, async () => ((await filled()) ? 'filled' : { filled: false }));
    },
    LIMIT,
  );
});

describe('deleting a module', () => {
  it(
    'leaves no pod, no Secret and no mount',
    async () => {
      await scene.apply(
        ...scene.module('brief', { identity: { delivery: ['Volume', 'Secret'], secretName: 'brief-tls' } }),
      );
      const { podUid } = await scene.holder('brief', 'Allowed');
      await scene.run('delete', 'edgemodule/brief', 'moduleidentity/brief', '--timeout=60s');
      await until('nothing left', 60, async () => {
        const left = await scene.run('get', 'deployment,pod,secret', '-o', 'name');
        const ours = left.split('\n').filter((line) => line.includes('brief'));
        return ours.length === 0 ? { left } : ours.join(' ');
      });
      const { readFileSync } = await import('node:fs');
      await until('no mount', 30, () => {
        const mounts = readFileSync('/proc/mounts', 'utf8')
          .split('\n')
          .filter((line) => line.includes(podUid));
        return Promise.resolve(mounts.length === 0 ? { mounts } : mounts.join('; '));
      });
    },
    LIMIT,
  );
});
