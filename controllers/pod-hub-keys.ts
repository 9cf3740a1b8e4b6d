// SPDX-License-Identifier: Apache-2.0
import { IDENTITY_ATTRIBUTE } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { PublishedVolume } from '../src/deliver/port.ts';
import { KeysteadError } from '../src/errors.ts';
import { hubKeysIn } from '../src/identity/hub-key-secret.ts';
import { hubModuleOf } from '../src/identity/hub-module.ts';
import type { Refusal } from '../src/identity/holding.ts';
import { modulesOf } from '../src/identity/module-match.ts';
import type { Wanted } from '../src/issue/credentials.ts';
import type { HubNotary } from '../src/notary/hub-port.ts';

export interface PodHubKeysPorts {
  readonly notary: Pick<HubNotary, 'importHubKey'>;
  /** This node's pods, by uid. */
  pod(uid: string): Pod | undefined;
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  /** A refusal where the identity may not have what it asks for on this node. */
  wanted(identity: ModuleIdentity): Wanted | Refusal;
}

/**
 * Takes the keys that a hub made into the root of trust. They come with a volume: the kubelet reads the Secret that the
 * volume names and hands it to the node's agent alone, so that neither the pod nor any right to read Secrets is needed.
 */
export class PodHubKeys {
  readonly #ports: PodHubKeysPorts;

  constructor(ports: PodHubKeysPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves once they are in. Throws InvalidConfiguration with what to change, Unavailable for what the kubelet, who asks
   * again, will find mended.
   */
  async take(volume: PublishedVolume, secret: Readonly<Record<string, string>>): Promise<void> {
    const identity = this.#identity(volume);
    const { namespace, moduleId, generationId } = hubModule(identity);
    // Another identity's keys must not be replaced.
    const wanted = this.#ports.wanted(identity);
    if ('reason' in wanted && !wanted.passing) {
      throw new KeysteadError('InvalidConfiguration', `${wanted.reason}: ${wanted.message}`);
    }
    for (const { keyId, key } of hubKeysIn(secret)) {
      await this.#ports.notary.importHubKey({ module: { namespace, moduleId, generationId }, keyId, key });
      key.fill(0);
    }
  }

  /** The identity that the volume is for, of a module that claims the pod. */
  #identity({ podUid, podNamespace, attributes }: PublishedVolume): ModuleIdentity {
    const pod = this.#ports.pod(podUid);
    if (!pod) throw new KeysteadError('Unavailable', 'this pod is not known to the agent yet');
    const named = attributes[IDENTITY_ATTRIBUTE];
    const identities = modulesOf(pod, this.#ports.modules(podNamespace))
      .flatMap(({ metadata }) => this.#ports.identities(podNamespace, metadata.name ?? ''))
      .filter(({ metadata }) => named === undefined || metadata.name === named);
    const [identity, another] = identities;
    if (identity && !another) return identity;
    const found = another ? 'several' : 'none';
    const message = `expected one ModuleIdentity of the pod's module for this volume, found ${found}; set volumeAttributes.${IDENTITY_ATTRIBUTE}`;
    throw new KeysteadError('Unavailable', message);
  }
}

function hubModule(identity: ModuleIdentity): NonNullable<ReturnType<typeof hubModuleOf>> {
  const module = hubModuleOf(identity);
  if (module?.keys === 'Imported') return module;
  const message = `the volume hands over a Secret, and ModuleIdentity ${identity.metadata.name ?? ''} asks for none: name it in iotEdge.keysSecretName, or take nodePublishSecretRef out of the volume`;
  throw new KeysteadError('InvalidConfiguration', message);
}
