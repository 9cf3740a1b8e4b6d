// SPDX-License-Identifier: Apache-2.0
import { CONTROLLER_MANAGER } from '../src/api/names.ts';
import { trustBundles } from '../src/api/resources.ts';
import type { TrustBundle } from '../src/api/v1alpha1/index.ts';
import { isApiError, type KubeClient } from '../src/kube/index.ts';
import type { Cache } from './cache.ts';

export interface DefaultTrustBundlePorts {
  readonly client: Pick<KubeClient, 'create'>;
  readonly bundles: Cache<TrustBundle>;
  readonly template: TrustBundle;
}

/** Reconciles the one TrustBundle that the installation asks for: made where it is missing, never changed. */
export class DefaultTrustBundle {
  readonly #ports: DefaultTrustBundlePorts;

  constructor(ports: DefaultTrustBundlePorts) {
    this.#ports = ports;
  }

  async reconcile(name: string): Promise<void> {
    const { bundles, client, template } = this.#ports;
    if (name !== template.metadata.name || bundles.get(name)) return;
    try {
      await client.create(trustBundles, template, { fieldManager: CONTROLLER_MANAGER });
    } catch (thrown) {
      if (!isApiError(thrown, 'AlreadyExists')) throw thrown;
    }
  }
}
