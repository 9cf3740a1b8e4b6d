// SPDX-License-Identifier: Apache-2.0
import { agentManager } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import { moduleIdentities } from '../src/api/resources.ts';
import type {
  EdgeDevice,
  EdgeModule,
  ModuleIdentity,
  ModuleIdentityStatusHolder,
  TrustBundle,
} from '../src/api/v1alpha1/index.ts';
import type { Refusal } from '../src/identity/holding.ts';
import { standInUid } from '../src/identity/host-module.ts';
import { hasEnded } from '../src/identity/pod-evidence.ts';
import { claim, claimedNames, type Claim } from '../src/identity/spiffe-claim.ts';
import { identityStatus } from '../src/identity/status.ts';
import { trustDomainOf } from '../src/identity/trust-domain.ts';
import type { KubeClient, KubeObject, Result } from '../src/kube/index.ts';
import type { Finding } from '../src/module/status.ts';
import type { Clock } from '../src/os/clock.ts';
import { trustOf } from '../src/trust/bundle.ts';
import type { Cache } from './cache.ts';
import type { IdentitySecretShell } from './identity-secret-shell.ts';
import type { StatusWriter } from './status-writer.ts';

export interface ModuleIdentityPorts {
  readonly clock: Clock;
  readonly client: Pick<KubeClient, 'apply'>;
  readonly status: Pick<StatusWriter<ModuleIdentity>, 'latest' | 'write' | 'forget'>;
  readonly secret: Pick<IdentitySecretShell, 'ensure' | 'forget'>;
  /** Index: `claim`, by `claimedNames`. */
  readonly identities: Cache<ModuleIdentity>;
  readonly modules: Cache<EdgeModule>;
  /** Index: `uid`. */
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<KubeObject>;
  readonly devices: Cache<EdgeDevice>;
  readonly bundles: Cache<TrustBundle>;
}

/** There is no watch on Secrets, so that nobody's Secrets are read; one that was deleted is noticed after this. */
const SECRET_CHECK_MS = 300_000;
/** The agent fills the Secret in the background, and says nothing when it has. */
const SECRET_FILL_MS = 5_000;

/** Reconciles ModuleIdentities: who may have which SPIFFE ID, the Secret to deliver into, and what the agents report. */
export class ModuleIdentities {
  readonly #ports: ModuleIdentityPorts;

  constructor(ports: ModuleIdentityPorts) {
    this.#ports = ports;
  }

  async reconcile(key: string): Promise<Result> {
    const { identities, status, secret, clock } = this.#ports;
    const cached = identities.get(key);
    if (!cached || cached.metadata.deletionTimestamp !== undefined) {
      status.forget(key);
      secret.forget(key);
      return {};
    }
    const identity = status.latest(cached);
    const module = this.#ports.modules.get(`${cached.metadata.namespace ?? ''}/${identity.spec.moduleRef.name}`);
    const trustDomain = trustDomainOf(identity, this.#ports.devices.list());
    const claimed = this.#claim(identity, module, trustDomain);
    const delivered = trustDomain === undefined ? undefined : await secret.ensure(identity, this.#trust(trustDomain));
    const holders = this.#present(identity, module);
    const observed = { claim: claimed, holders, desired: module?.status?.desired ?? 0, secret: delivered };
    await status.write(identity, identityStatus(identity, observed, new Date(clock.now())));
    await this.#prune(identity);
    return next(delivered, holders);
  }

  #claim(identity: ModuleIdentity, module: EdgeModule | undefined, trustDomain: string | undefined): Claim | Refusal {
    const { name } = identity.spec.moduleRef;
    if (!module) {
      return {
        reason: 'ModuleNotFound',
        message: `There is no EdgeModule ${name} in this namespace: create it, or delete this identity.`,
      };
    }
    if (trustDomain === undefined) {
      return {
        reason: 'DeviceMissing',
        message: 'There is no EdgeDevice yet, so no trust domain to issue in: create one for each node.',
      };
    }
    const rivals = claimedNames(identity).flatMap((name) => this.#ports.identities.by('claim', name));
    return claim(identity, rivals, trustDomain);
  }

  #trust(trustDomain: string): string {
    const { bundles, devices, clock } = this.#ports;
    return trustOf(trustDomain, { bundles: bundles.list(), devices: devices.list(), now: clock.now() });
  }

  /** An agent that went away with its node leaves its entries behind; only those of existing pods count. */
  #present({ status }: ModuleIdentity, module: EdgeModule | undefined): ModuleIdentityStatusHolder[] {
    return (status?.holders ?? []).filter(({ podUid, node }) => {
      if (module?.spec.host) return podUid === standInUid(module.metadata.uid ?? '', node);
      const [pod] = this.#ports.pods.by('uid', podUid);
      return pod !== undefined && !hasEnded(pod);
    });
  }

  /** Takes back, in the name of agents whose node is gone for good, the entries that they can no longer remove. */
  async #prune({ metadata, status }: ModuleIdentity): Promise<void> {
    const named = new Set((status?.holders ?? []).map(({ node }) => node));
    const gone = [...named].filter((node) => this.#ports.nodes.get(node) === undefined);
    const { namespace = '', name = '' } = metadata;
    for (const node of gone) {
      const nothing = { metadata: { namespace, name }, status: {} } as unknown as ModuleIdentity;
      const options = { fieldManager: agentManager(node), subresource: 'status' as const };
      await this.#ports.client.apply(moduleIdentities, nothing, options);
    }
  }
}

function next(secret: Finding | undefined, holders: readonly ModuleIdentityStatusHolder[]): Result {
  if (!secret) return {};
  const soon = secret.status !== 'True' && holders.some(({ verdict }) => verdict === 'Allowed');
  return { requeueAfterMs: soon ? SECRET_FILL_MS : SECRET_CHECK_MS * (1 + Math.random() / 5) };
}
