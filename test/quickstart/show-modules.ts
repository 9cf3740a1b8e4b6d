// SPDX-License-Identifier: Apache-2.0
import type { EdgeModule, ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import { DEMO_NAMESPACE, MODULES, expectedId, type ModuleName } from './demo.ts';
import type { DemoImages } from './images.ts';
import { until, type Kubectl, type KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import { isReady, readiness } from './show-device.ts';
import type { Target } from './target.ts';

export type Holder = NonNullable<NonNullable<ModuleIdentity['status']>['holders']>[number];

/** Waits until both modules are Ready and tells who holds their identities. Gives the holder of each. */
export async function showModules(
  { kubectl }: Target,
  images: DemoImages,
  say: (line: string) => void,
): Promise<Record<ModuleName, Holder>> {
  const { index, manifest, config } = images.digests.greeter;
  const digests = [index, manifest, config];
  const holders: Partial<Record<ModuleName, Holder>> = {};
  for (const name of MODULES) {
    const holder = await attestedHolder(kubectl, name);
    holders[name] = holder;
    say(`EdgeModule ${name}: Ready, identity ${expectedId(name)}`);
    say(`  pod     ${holder.pod} on ${holder.node}, verdict ${holder.verdict}`);
    say(`  image   ${holder.imageDigest ?? '(not reported)'}`);
    say(
      `  process ${holder.executable?.path ?? '?'} sha256 ${holder.executable?.sha256 ?? '?'} (pid ${holder.pid ?? '?'})`,
    );
    say(`  serial  ${holder.serial ?? '?'}, until ${holder.notAfter ?? '?'}`);
    if (!digests.includes(holder.imageDigest ?? '')) {
      throw new QuickstartError(
        `${name} was attested with digest ${holder.imageDigest ?? 'none'}, which is not of its image (${digests.join(', ')})`,
      );
    }
  }
  return holders as Record<ModuleName, Holder>;
}

async function attestedHolder(kubectl: Kubectl, name: ModuleName): Promise<Holder> {
  await until(`EdgeModule ${name}`, 180, async () => {
    const module = await kubectl.find<EdgeModule & KubeObject>(['-n', DEMO_NAMESPACE, 'edgemodule', name]);
    if (module === undefined) return 'it is not there';
    return isReady(module) || readiness(module);
  });
  return until(`ModuleIdentity ${name}`, 60, async () => {
    const identity = await kubectl.find<ModuleIdentity & KubeObject>(['-n', DEMO_NAMESPACE, 'moduleidentity', name]);
    if (identity === undefined) return 'it is not there';
    if (!isReady(identity)) return readiness(identity);
    if (identity.status?.spiffeId !== expectedId(name))
      return `its SPIFFE ID is ${identity.status?.spiffeId ?? 'not set'}`;
    const { holders = [] } = identity.status;
    const holder = holders.find(({ verdict }) => verdict === 'Allowed');
    if (!holder) return 'nobody holds it';
    // With NRI the identity comes before the process: its measurement follows right after the start.
    return holder.executable ? holder : 'the process is not measured yet';
  });
}
