// SPDX-License-Identifier: Apache-2.0
import type { Resource } from '../kube/index.ts';
import { GROUP, VERSION } from './names.ts';
import { RESOURCES, type Kind, type Objects } from './v1alpha1/index.ts';

/** Where the API server keeps a kind of ours. */
function ours<K extends Kind>(kind: K): Resource<Objects[K]> {
  return { group: GROUP, version: VERSION, kind, ...RESOURCES[kind] };
}

export const edgeDevices = ours('EdgeDevice');
export const edgeModules = ours('EdgeModule');
export const moduleIdentities = ours('ModuleIdentity');
export const trustBundles = ours('TrustBundle');
