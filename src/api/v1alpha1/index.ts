// SPDX-License-Identifier: Apache-2.0
// Generated from crds/ by `npm run generate`; changes made here are lost.
import type { EdgeDevice } from './edge-device.ts';
import type { EdgeModule } from './edge-module.ts';
import type { ModuleIdentity } from './module-identity.ts';
import type { TrustBundle } from './trust-bundle.ts';
export type * from './edge-device.ts';
export type * from './edge-module.ts';
export type * from './module-identity.ts';
export type * from './trust-bundle.ts';

/** How the API server names each kind, and whether its objects lie in namespaces. */
export const RESOURCES = {
  EdgeDevice: { plural: 'edgedevices', namespaced: false },
  EdgeModule: { plural: 'edgemodules', namespaced: true },
  ModuleIdentity: { plural: 'moduleidentities', namespaced: true },
  TrustBundle: { plural: 'trustbundles', namespaced: false },
} as const;

export type Kind = keyof typeof RESOURCES;

/** The type of each kind's objects. */
export interface Objects {
  readonly EdgeDevice: EdgeDevice;
  readonly EdgeModule: EdgeModule;
  readonly ModuleIdentity: ModuleIdentity;
  readonly TrustBundle: TrustBundle;
}
