// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { HubModule } from '../workload/iotedge/port.ts';

/** The module that an identity is in an IoT Hub. Undefined where it is none. */
export function hubModuleOf({ metadata, spec }: ModuleIdentity): HubModule | undefined {
  const { iotEdge } = spec;
  if (!iotEdge) return undefined;
  const { name: identity = '', namespace = '', uid = '' } = metadata;
  const { moduleId = identity, generationId = uid, keysSecretName } = iotEdge;
  const keys = keysSecretName === undefined ? 'Derived' : 'Imported';
  return { identity, namespace, moduleId, generationId, keys };
}

/** Whether the Workload API of IoT Edge is asked for. */
export function asksForIotEdge({ spec }: ModuleIdentity): boolean {
  return spec.iotEdge !== undefined;
}

/** The name under which the module's keys are kept: only one identity of a namespace may have it. */
export function hubModuleName(identity: ModuleIdentity): string | undefined {
  const module = hubModuleOf(identity);
  return module && `hub:${module.namespace}:${module.generationId}:${module.moduleId}`;
}
