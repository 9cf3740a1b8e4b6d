// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import type { Volumes } from '../../deliver/port.ts';
import { asKeysteadError } from '../../errors.ts';
import type { DomainBundle } from '../../workload/port.ts';

/**
 * Writes trust anchors and revocation lists into all volumes, one at each turn of the event loop: a container whose start is
 * held shall not wait for all of them. One that cannot be written keeps none of the others from theirs; at the end what it
 * failed of is thrown, of several what may pass first.
 */
export async function writeBundles(
  volumes: Pick<Volumes, 'list' | 'writeBundle'>,
  { anchors, crls }: Pick<DomainBundle, 'anchors' | 'crls'>,
): Promise<void> {
  const failures = [];
  for (const volume of volumes.list()) {
    try {
      if (volumes.list().includes(volume)) volumes.writeBundle(volume, anchors, crls);
    } catch (thrown) {
      failures.push(asKeysteadError(thrown));
    }
    await setImmediate();
  }
  const failure = failures.find(({ retryable }) => retryable) ?? failures[0];
  if (failure) throw failure;
}
