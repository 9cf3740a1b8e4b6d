// SPDX-License-Identifier: Apache-2.0
import { findCondition } from '../api/conditions.ts';
import { INTEGRITY_VERIFIED } from '../api/names.ts';
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import type { NodeIntegrity } from '../attest/port.ts';
import type { Refusal } from './holding.ts';

/**
 * What a node may do by its measured boot; undefined where that is not enforced. A good quote counts for the boot that it
 * was made in: `bootId` is the running kernel's own.
 */
export function nodeIntegrity(device: EdgeDevice | undefined, bootId: string): NodeIntegrity | undefined {
  if (device?.spec.measuredBoot?.mode !== 'Enforce') return undefined;
  const condition = findCondition(device.status?.conditions, INTEGRITY_VERIFIED);
  const message = condition ? `${condition.reason}: ${condition.message}` : 'the controller has not verified it yet';
  if (condition?.status === 'False') return { standing: 'Refused', message };
  if (condition?.status !== 'True') return { standing: 'Pending', message };
  if (device.status?.integrity?.verified?.bootID === bootId) return { standing: 'Verified', message };
  return { standing: 'Pending', message: 'the last good quote was made before the node was rebooted' };
}

/** Why nothing new may be issued on the node; undefined where it may. */
export function refusalByIntegrity(integrity: NodeIntegrity | undefined): Refusal | undefined {
  switch (integrity?.standing) {
    case 'Pending':
      return { reason: 'NodeNotVerified', message: integrity.message, passing: true };
    case 'Refused':
      return { reason: 'NodeNotTrusted', message: integrity.message };
    default:
      return undefined;
  }
}
