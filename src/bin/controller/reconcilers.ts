// SPDX-License-Identifier: Apache-2.0
import { DefaultTrustBundle } from '../../../controllers/default-trust-bundle.ts';
import { DeviceIntegrity } from '../../../controllers/device-integrity.ts';
import { EdgeDevices } from '../../../controllers/edge-device.ts';
import { EdgeModules } from '../../../controllers/edge-module.ts';
import { IdentitySecretShell } from '../../../controllers/identity-secret-shell.ts';
import { ModuleIdentities } from '../../../controllers/module-identity.ts';
import { ModuleWorkload } from '../../../controllers/module-workload.ts';
import { StatusWriter } from '../../../controllers/status-writer.ts';
import { TrustBundleTargets } from '../../../controllers/trust-bundle-targets.ts';
import { TrustBundles } from '../../../controllers/trust-bundle.ts';
import { INTEGRITY_VERIFIED } from '../../api/names.ts';
import { edgeDevices, edgeModules, moduleIdentities, trustBundles } from '../../api/resources.ts';
import { Controller, type ControllerObserver, type Events, type KubeClient, type Reconcile } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import { systemClock } from '../../os/clock.ts';
import type { ControllerCaches } from './caches.ts';
import type { ControllerConfiguration } from './configuration.ts';

export interface ReconcilerParts {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly events: Events;
  readonly caches: ControllerCaches;
  readonly observer: ControllerObserver;
  readonly configuration: ControllerConfiguration;
}

/** The controller's reconcilers, each with its queue. */
export interface Reconcilers {
  readonly modules: Controller;
  readonly identities: Controller;
  readonly bundles: Controller;
  readonly integrity: Controller;
  /** Only where the installation asks for it. */
  readonly devices: Controller | undefined;
  readonly defaultBundle: Controller | undefined;
}

export function reconcilers(parts: ReconcilerParts): Reconcilers {
  const { client, caches, events, log, observer, configuration } = parts;
  const { concurrency, device, trustBundle } = configuration;
  const clock = systemClock;
  const writing = { client, events };
  const controller = (name: string, reconcile: Reconcile): Controller =>
    new Controller({ name, reconcile, log, observer, concurrency });

  const modules = new EdgeModules({
    ...caches,
    clock,
    status: new StatusWriter(writing, edgeModules, { action: 'Deploying' }),
    workload: new ModuleWorkload({ client, ...caches }),
  });
  const identities = new ModuleIdentities({
    ...caches,
    clock,
    client,
    status: new StatusWriter(writing, moduleIdentities, { action: 'Issuing', foreign: ['holders', 'secretName'] }),
    secret: new IdentitySecretShell({ client }),
  });
  const bundles = new TrustBundles({
    ...caches,
    clock,
    client,
    status: new StatusWriter(writing, trustBundles, { action: 'Bundling' }),
    targets: new TrustBundleTargets({ client, clock, ...caches }),
  });
  const integrity = new DeviceIntegrity({
    ...caches,
    clock,
    status: new StatusWriter(writing, edgeDevices, {
      action: 'Attesting',
      shared: { fields: ['integrity'], conditions: [INTEGRITY_VERIFIED] },
    }),
  });
  const devices = device && new EdgeDevices({ client, template: device, ...caches });
  const defaultBundle = trustBundle && new DefaultTrustBundle({ client, template: trustBundle, ...caches });
  return {
    modules: controller('edge-module', (key) => modules.reconcile(key)),
    identities: controller('module-identity', (key) => identities.reconcile(key)),
    bundles: controller('trust-bundle', (key) => bundles.reconcile(key)),
    integrity: controller('device-integrity', (key) => integrity.reconcile(key)),
    devices: devices && controller('edge-device', (key) => devices.reconcile(key)),
    defaultBundle: defaultBundle && controller('default-trust-bundle', (key) => defaultBundle.reconcile(key)),
  };
}
