// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../kube/index.ts';

export function isPodReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return ready === true && metadata?.deletionTimestamp === undefined;
}

/** One line: the pod, and which of its containers waits for what. */
export function whyNotReady({ metadata, status }: Pod): string {
  const waiting = (status?.containerStatuses ?? [])
    .filter(({ ready }) => ready !== true)
    .map(
      ({ name, state }) => `${name} ${state?.waiting?.reason ?? (state?.running ? 'is not ready' : 'does not run')}`,
    );
  const found = waiting.length > 0 ? waiting.join(', ') : (status?.phase ?? 'unknown');
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}: ${found}`;
}
