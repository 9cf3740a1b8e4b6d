// SPDX-License-Identifier: Apache-2.0
import { findCondition } from '../../api/conditions.ts';
import type { EdgeDevice } from '../../api/v1alpha1/index.ts';
import { fail, type Outcome } from './port.ts';

/** A failure for each device whose condition of this type does not hold. */
export function unmet(devices: readonly EdgeDevice[], type: string, remedy: string): Outcome[] {
  return devices.flatMap(({ metadata, status }) => {
    const condition = findCondition(status?.conditions, type);
    if (condition?.status === 'True') return [];
    const found = condition ? `${condition.reason}: ${condition.message}` : 'the agent has not reported yet';
    return [fail(`device ${metadata.name ?? ''}: ${found}`, remedy)];
  });
}
