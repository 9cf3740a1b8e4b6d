// SPDX-License-Identifier: Apache-2.0
import { isConditionTrue } from '../api/conditions.ts';
import type { EdgeModule } from '../api/v1alpha1/index.ts';
import type { Refusal } from '../identity/holding.ts';

/**
 * Why a module must not start yet: running template modules of its namespace with a lower order that are not ready.
 * Undefined where nothing holds it back. Modules that run already are never stopped for another's sake.
 */
export function waitsFor(module: EdgeModule, others: readonly EdgeModule[]): Refusal | undefined {
  const waiting = others
    .filter((other) => comesBefore(other, module) && !isReady(other))
    .map(({ metadata, spec }) => `${metadata.name ?? ''} (order ${spec.startupOrder})`)
    .sort();
  if (waiting.length === 0) return undefined;
  return {
    reason: 'WaitingForLowerOrder',
    message: `Starts (order ${module.spec.startupOrder}) once these are ready: ${waiting.slice(0, 10).join(', ')}.`,
  };
}

function comesBefore({ metadata, spec }: EdgeModule, module: EdgeModule): boolean {
  return (
    metadata.namespace === module.metadata.namespace &&
    metadata.deletionTimestamp === undefined &&
    spec.template !== undefined &&
    spec.desiredState === 'Running' &&
    spec.startupOrder < module.spec.startupOrder
  );
}

/** A condition about a former spec does not count. */
function isReady({ metadata, status }: EdgeModule): boolean {
  return status?.observedGeneration === metadata.generation && isConditionTrue(status?.conditions, 'Ready');
}
