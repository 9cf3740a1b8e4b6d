// SPDX-License-Identifier: Apache-2.0
import { durationMs } from '../../api/duration.ts';
import type { ModuleIdentity } from '../../api/v1alpha1/index.ts';
import type { NodeIntegrity } from '../../attest/port.ts';
import type { Refusal } from '../../identity/holding.ts';
import { moduleKeyAt } from '../../identity/module-key.ts';
import { wantedCertificate } from '../../identity/wanted.ts';
import type { Wanted } from '../../issue/credentials.ts';
import { jitterOf, renewalTime } from '../../issue/renewal.ts';
import type { IssuedCertificate, NotaryStatus } from '../../notary/port.ts';
import { systemClock } from '../../os/clock.ts';
import type { AgentCaches } from './caches.ts';

export interface WantingParts {
  readonly node: string;
  readonly caches: Pick<AgentCaches, 'devices' | 'identities'>;
  readonly notary: NotaryStatus | undefined;
  readonly integrity: NodeIntegrity | undefined;
}

/** The certificate that an identity should have on this node now. */
export function wantedNow(identity: ModuleIdentity, { caches, ...known }: WantingParts): Wanted | Refusal {
  return wantedCertificate(identity, {
    ...known,
    device: caches.devices.get(known.node),
    neighbours: caches.identities.by('namespace', identity.metadata.namespace ?? ''),
    now: systemClock.now(),
  });
}

/** When a certificate is to be renewed: at its share of life, or when its key is rotated. */
export function renewalOf(
  { serial, notAfter }: Pick<IssuedCertificate, 'serial' | 'notAfter'>,
  identity: ModuleIdentity,
): number {
  const { duration, renewAtPercent } = identity.spec.x509;
  // Counted from the issue: notBefore lies earlier, which for a short life would be half of it and more.
  const life = { notBefore: notAfter - durationMs(duration), notAfter };
  const rotation = moduleKeyAt(identity, systemClock.now())?.until ?? Infinity;
  return Math.min(renewalTime(life, jitterOf(serial), renewAtPercent / 100), rotation);
}
