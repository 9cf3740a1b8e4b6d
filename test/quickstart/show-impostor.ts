// SPDX-License-Identifier: Apache-2.0
import type { EdgeModule, ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { DEMO_NAMESPACE } from './demo.ts';
import { until, type KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import type { Target } from './target.ts';
import { volumeFiles } from './volume.ts';

interface Denial {
  readonly podUid: string;
  readonly node: string;
  readonly reason: string;
  readonly message: string;
  readonly told: string;
}

/** Waits for the verdict on the impostor and checks that it holds nothing but the public trust bundle. */
export async function showImpostor(target: Target, say: (line: string) => void): Promise<void> {
  const denial = await until(
    'the verdict on the impostor',
    90,
    async () => (await denialOf(target)) ?? 'nothing is said of it yet',
  );
  say(`impostor on ${denial.node}: denied, ${denial.reason} (${denial.told})`);
  say(`  ${denial.message}`);
  if (denial.reason !== 'ImageDigestMismatch') {
    throw new QuickstartError(
      `the impostor was denied for ${denial.reason}; its image is what is wrong with it (ImageDigestMismatch)`,
    );
  }
  const files = Object.keys(await volumeFiles(target, denial.podUid, denial.node)).sort();
  say(`  its volume holds ${files.join(' ')}`);
  const secret = files.filter((name) => !['ca.crt', 'trust-bundle.pem', 'crl.pem'].includes(name));
  if (secret.length > 0) throw new QuickstartError(`the impostor was given ${secret.join(' ')}`);
  const log = await target.kubectl.run(['-n', DEMO_NAMESPACE, 'logs', 'impostor']);
  say(`  its log: ${log.trim().split('\n').at(-1) ?? ''}`);
  if (/ (greeted|identity) spiffe:/.test(log)) throw new QuickstartError('the impostor says that it has an identity');
}

async function denialOf({ kubectl }: Target): Promise<Denial | undefined> {
  const identity = await kubectl.find<ModuleIdentity & KubeObject>(['-n', DEMO_NAMESPACE, 'moduleidentity', 'hello']);
  const holder = identity?.status?.holders?.find(({ pod, verdict }) => pod === 'impostor' && verdict === 'Denied');
  if (holder) {
    const { podUid, node, reason = 'no reason', message = '' } = holder;
    return { podUid, node, reason, message, told: 'ModuleIdentity hello, status.holders' };
  }
  const module = await kubectl.find<EdgeModule & KubeObject>(['-n', DEMO_NAMESPACE, 'edgemodule', 'hello']);
  const denied = module?.status?.denials?.find(({ pod }) => pod === 'impostor');
  return denied && { ...denied, told: 'EdgeModule hello, status.denials' };
}
