// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../../errors.ts';
import { obtainCredentials } from '../../issue/credentials.ts';
import type { Logger } from '../../log.ts';
import type { Notary } from '../../notary/port.ts';
import type { AgentMetrics } from './metrics.ts';

export interface ObtainingParts {
  readonly notary: Notary;
  readonly log: Logger;
  readonly metrics: Pick<AgentMetrics, 'issued'>;
}

/** Has the notary certify a new key, counted and logged. */
export async function obtain(
  { notary, log, metrics }: ObtainingParts,
  request: Parameters<typeof obtainCredentials>[1],
): ReturnType<typeof obtainCredentials> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  try {
    const obtained = await obtainCredentials(notary, request);
    metrics.issued('issued', '', seconds());
    const { spiffeId, requester } = request;
    log.info({ spiffeId, serial: obtained.certificate.serial, ...requester }, 'issued');
    return obtained;
  } catch (error) {
    metrics.issued('failed', asKeysteadError(error).code, seconds());
    throw error;
  }
}
