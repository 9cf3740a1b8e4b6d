// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { KeyedCredentials } from '../src/deliver/port.ts';
import { secretName } from '../src/identity/holding.ts';
import type { SecretDelivery } from './pod-delivery.ts';

/** What a Secret should hold: somebody's credentials, or none. */
export interface SecretContent {
  readonly namespace: string;
  readonly name: string;
  readonly podUid: string;
  readonly podName: string;
  /** Undefined: the identity was withdrawn. */
  readonly credentials?: KeyedCredentials;
}

export interface IdentitySecretPorts {
  /** Has `reconcile` called with the key, and again until it succeeds. */
  enqueue(key: string): void;
  /** Applies the Secret and has the kubelet refresh the pod's volume. */
  apply(content: SecretContent): Promise<void>;
}

/**
 * Delivers into Secrets, key `namespace/secret`. One Secret holds one certificate: that of the pod attested last.
 * What waits to be written lies in memory only; after a crash the pod is looked at anew and issued to again.
 */
export class IdentitySecret implements SecretDelivery {
  readonly #ports: IdentitySecretPorts;
  readonly #waiting = new Map<string, SecretContent>();
  readonly #holders = new Map<string, string>();

  constructor(ports: IdentitySecretPorts) {
    this.#ports = ports;
  }

  write(identity: ModuleIdentity, pod: Pod, credentials: KeyedCredentials): void {
    const key = keyOf(identity);
    this.#holders.set(key.path, pod.metadata.uid);
    this.#set(key, { podUid: pod.metadata.uid, podName: pod.metadata.name, credentials });
  }

  withdraw(identity: ModuleIdentity, podUid: string): void {
    const key = keyOf(identity);
    const holder = this.#holders.get(key.path) ?? recordedHolder(identity);
    if (holder !== podUid) return;
    this.#holders.delete(key.path);
    this.#set(key, { podUid, podName: '' });
  }

  async reconcile(key: string): Promise<void> {
    const content = this.#waiting.get(key);
    if (!content) return;
    await this.#ports.apply(content);
    // Something newer may have come meanwhile; it is enqueued already.
    if (this.#waiting.get(key) === content) this.#waiting.delete(key);
  }

  #set(key: SecretKey, content: Omit<SecretContent, 'namespace' | 'name'>): void {
    this.#waiting.set(key.path, { namespace: key.namespace, name: key.name, ...content });
    this.#ports.enqueue(key.path);
  }
}

interface SecretKey {
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

function keyOf(identity: ModuleIdentity): SecretKey {
  const namespace = identity.metadata.namespace ?? '';
  const name = secretName(identity) ?? '';
  return { namespace, name, path: `${namespace}/${name}` };
}

/** After a restart the status tells to whom the Secret was last filled. */
function recordedHolder({ status }: ModuleIdentity): string | undefined {
  const holders = (status?.holders ?? []).filter(({ serial }) => serial !== undefined);
  return holders.sort((left, right) => left.since.localeCompare(right.since)).at(-1)?.podUid;
}
