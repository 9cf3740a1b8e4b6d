// SPDX-License-Identifier: Apache-2.0
import type { SecretContent } from '../../../controllers/identity-secret.ts';
import { agentManager } from '../../api/names.ts';
import type { Pod } from '../../api/pod.ts';
import { edgeDevices, moduleIdentities } from '../../api/resources.ts';
import { deliveredSecret, refreshedPod, withdrawnSecret } from '../../deliver/secret.ts';
import { isApiError, pods, secrets, type KubeClient, type KubeObject, type Resource } from '../../kube/index.ts';

/** Everything that an agent writes to the API server, under its node's field manager. */
export class Writers {
  readonly #client: KubeClient;
  readonly #node: string;
  readonly #options: { readonly fieldManager: string };

  constructor(client: KubeClient, node: string) {
    this.#client = client;
    this.#node = node;
    this.#options = { fieldManager: agentManager(node) };
  }

  async holders(namespace: string, name: string, holders: readonly unknown[]): Promise<void> {
    await this.#status(moduleIdentities, { namespace, name }, { holders });
  }

  async device(status: Record<string, unknown>): Promise<void> {
    await this.#status(edgeDevices, { name: this.#node }, status);
  }

  async gate({ metadata }: Pod, condition: Readonly<Record<string, string>>): Promise<void> {
    const { namespace, name, uid } = metadata;
    await this.#status(pods, { namespace, name, uid }, { conditions: [condition] });
  }

  /** Fills or empties a Secret, then has the kubelet write the pod's volumes anew. */
  async secret({ namespace, name, podUid, podName, credentials }: SecretContent): Promise<void> {
    const destination = { namespace, name, podUid, node: this.#node };
    const change = credentials ? deliveredSecret(destination, credentials) : withdrawnSecret(destination);
    // A merge patch, not an apply: it must not make a Secret that its ModuleIdentity took along when it was deleted.
    const options = { ...this.#options, type: 'merge' as const };
    // An emptying that the admission policy refuses is one of a Secret that another node has filled since: let it be.
    const passed = credentials ? GONE : [...GONE, 403, 422];
    if (!(await unlessGone(this.#client.patch(secrets, { namespace, name }, change, options), passed))) return;
    if (podName === '') return;
    const pod = refreshedPod({ namespace, name: podName, uid: podUid }, String(Date.now()));
    await unlessGone(this.#client.patch(pods, { namespace, name: podName }, pod, { type: 'merge' }));
  }

  async evict({ metadata }: Pod): Promise<void> {
    await this.#client.delete(pods, { namespace: metadata.namespace, name: metadata.name }, { uid: metadata.uid });
  }

  async #status(of: Resource, metadata: NonNullable<KubeObject['metadata']>, status: unknown): Promise<void> {
    const object = { metadata, status } as KubeObject;
    await unlessGone(this.#client.apply(of, object, { ...this.#options, subresource: 'status' }));
  }
}

/** The object was deleted, or has another uid by now. */
const GONE = [404, 409];

/** False where the server answers with one of these: then there is nothing to write. */
async function unlessGone(call: Promise<unknown>, passed: readonly number[] = GONE): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (isApiError(error) && passed.includes(error.status)) return false;
    throw error;
  }
}
