// SPDX-License-Identifier: Apache-2.0
export { ApiError, isApiError } from './api-error.ts';
export { KubeClient } from './client.ts';
export { Controller, type ControllerObserver, type Reconcile, type Result } from './controller.ts';
export { Events, type Occurrence } from './events.ts';
export * from './kinds.ts';
export { LeaderElection } from './leader.ts';
export { allSynced, Reflector } from './reflector.ts';
export { apiVersionOf, keyOf, nameOf, resource } from './resource.ts';
export type { KubeObject, ObjectMeta, ObjectName, OwnerReference, Resource } from './resource.ts';
