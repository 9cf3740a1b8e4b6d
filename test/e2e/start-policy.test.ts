// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { pidsOf } from '../chaos/processes.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { ALL_FILES, Scene, until } from './harness.ts';

const scene = new Scene('start');
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.leave(), 180_000);

const LIMIT = 120_000;

type RunningPod = KubeObject & {
  readonly spec?: { readonly containers: readonly { readonly name: string }[] };
  readonly status?: {
    readonly phase?: string;
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly message?: string } };
      readonly lastState?: { readonly terminated?: { readonly message?: string } };
    }[];
  };
};

function selected(name: string, digest: string, startPolicy: string): object[] {
  const selector = { matchLabels: { app: name } };
  return [
    scene.object('EdgeModule', name, { selector, images: [{ digest }], startPolicy }),
    scene.object('ModuleIdentity', name, { moduleRef: { name } }),
  ];
}

/** Command lines of processes with this text in them. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('a module with startPolicy Require', () => {
  it(
    'does not start while it is refused, says why in its pod, and starts with its identity once that is over',
    async () => {
      const other = await scene.push('b');
      const marker = `required-${Math.random().toString(36).slice(2)}`;
      const command = ['/bin/sh', '-c', `: ${marker}; test -s /var/run/keystead/tls.crt && sleep 1000000`];
      await scene.apply(
        ...selected('required', other.image.index.digest, 'Require'),
        scene.pod('required', { app: 'required' }, { command }),
      );
      await until('the refusal in the pod', 60, async () => {
        const pod = await scene.find<RunningPod>('pod', 'required');
        const told = JSON.stringify(pod?.status?.containerStatuses ?? []);
        return told.includes('ImageDigestMismatch') ? (true as const) : told;
      });
      expect(processesWith(`: ${marker}`)).toEqual([]);
      expect(await scene.holder('required', 'Denied')).toMatchObject({ reason: 'ImageDigestMismatch' });

      const images = JSON.stringify({ spec: { images: [{ digest: scene.digests.index }] } });
      await scene.run('patch', 'edgemodule', 'required', '--type=merge', '-p', images);
      // Its program ends at once where it does not find the certificate.
      await scene.run('wait', '--for=condition=Ready', 'pod/required', '--timeout=90s');
      await scene.holder('required', 'Allowed');
      await scene.filesAre('required', ALL_FILES);
    },
    LIMIT,
  );
});

describe('a module with startPolicy Wait', () => {
  it(
    'that is refused starts, without an identity',
    async () => {
      const other = await scene.push('b');
      await scene.apply(
        ...selected('waiting', other.image.index.digest, 'Wait'),
        scene.pod('waiting', { app: 'waiting' }),
      );
      await scene.run('wait', '--for=jsonpath={.status.phase}=Running', 'pod/waiting', '--timeout=60s');
      expect(await scene.holder('waiting', 'Denied')).toMatchObject({ reason: 'ImageDigestMismatch' });
    },
    LIMIT,
  );
});

describe('an agent that does not answer', () => {
  it(
    'does not stop pods that are no modules',
    async () => {
      const plain = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: scene.namespace, name: 'plain' },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'main', image: scene.image, command: ['/bin/sleep', '1000000'] }],
        },
      };
      const pid = pidsOf('agent')[0]!;
      process.kill(pid, 'SIGSTOP');
      try {
        await scene.apply(plain);
        await scene.run('wait', '--for=condition=Ready', 'pod/plain', '--timeout=60s');
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      // Afterwards it is there again, and prepares starts as before.
      await scene.apply(...scene.module('after'));
      const { pod } = await scene.holder('after', 'Allowed');
      await scene.filesAre(pod, ALL_FILES);
    },
    LIMIT,
  );
});
