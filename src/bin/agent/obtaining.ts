// SPDX-License-Identifier: Apache-2.0
import type { PodDeliveryPorts } from '../../../controllers/pod-delivery.ts';
import { asKeysteadError } from '../../errors.ts';
import { obtainCredentials, obtainForHeldKey } from '../../issue/credentials.ts';
import type { Logger } from '../../log.ts';
import type { Notary } from '../../notary/port.ts';
import type { AgentMetrics } from './metrics.ts';

export interface ObtainingParts {
  readonly notary: Notary;
  readonly log: Logger;
  readonly metrics: Pick<AgentMetrics, 'issued'>;
}

/** Has the notary certify a key, a new one in memory or the module's in the token, counted and logged. */
export async function obtain(
  { notary, log, metrics }: ObtainingParts,
  { key, ...request }: Parameters<PodDeliveryPorts['obtain']>[0],
): ReturnType<PodDeliveryPorts['obtain']> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  try {
    const obtained = await (key ? obtainForHeldKey(notary, { ...request, key }) : obtainCredentials(notary, request));
    metrics.issued('issued', '', seconds());
    const { spiffeId, requester } = request;
    const keyUri = obtained.credentials.heldKey?.uri;
    log.info({ spiffeId, serial: obtained.certificate.serial, keyUri, ...requester }, 'issued');
    return obtained;
  } catch (error) {
    metrics.issued('failed', asKeysteadError(error).code, seconds());
    throw error;
  }
}
