// SPDX-License-Identifier: Apache-2.0
import { durationSeconds } from '../api/duration.ts';
import type { EdgeDevice, ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { Wanted } from '../issue/credentials.ts';
import type { NodeIntegrity } from '../attest/port.ts';
import type { NotaryStatus } from '../notary/port.ts';
import { isGranted } from './dns-grant.ts';
import type { Refusal } from './holding.ts';
import { moduleKeyAt } from './module-key.ts';
import { refusalByIntegrity } from './node-integrity.ts';
import { claim } from './spiffe-claim.ts';

/** What decides, besides the identity itself, on the certificates that it gets on a node. */
export interface Grantor {
  readonly node: string;
  readonly device: EdgeDevice | undefined;
  readonly notary: NotaryStatus | undefined;
  readonly integrity: NodeIntegrity | undefined;
  /** All identities of the same namespace. */
  readonly neighbours: readonly ModuleIdentity[];
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/**
 * The certificate that an identity should have on this node, or why it may not have one: no device or issuer yet, a
 * SPIFFE ID that is another's, a DNS name that was not granted. The notary holds its own profile against it again.
 */
export function wantedCertificate(identity: ModuleIdentity, grantor: Grantor): Wanted | Refusal {
  const { node, device, notary, integrity, neighbours, now } = grantor;
  if (!device) {
    return {
      reason: 'DeviceMissing',
      message: `There is no EdgeDevice ${node}, so that nothing of this node is trusted: create it, or set device.create in the chart.`,
    };
  }
  const untrusted = refusalByIntegrity(integrity);
  if (untrusted) return untrusted;
  if (!notary?.issuer) {
    const message = notary?.message ?? 'The notary has not answered yet.';
    return { reason: notary?.reason ?? 'IssuerNotReady', message, passing: true };
  }
  const claimed = claim(identity, neighbours, device.spec.trustDomain);
  if ('reason' in claimed) return claimed;
  const { dnsNames, duration } = identity.spec.x509;
  const lifetimeSeconds = durationSeconds(duration);
  const key = moduleKeyAt(identity, now)?.name;
  return (
    notGranted(identity, device) ?? {
      spiffeId: claimed.spiffeId,
      dnsNames,
      lifetimeSeconds,
      issuer: notary.issuer.chain,
      ...(key && { key }),
      ...(device.metadata.uid !== undefined && { deviceUid: device.metadata.uid }),
    }
  );
}

function notGranted({ metadata, spec }: ModuleIdentity, device: EdgeDevice): Refusal | undefined {
  const { namespace = '' } = metadata;
  const denied = spec.x509.dnsNames.filter((name) => !isGranted(name, namespace, device.spec.issuer.dnsSuffixes));
  if (denied.length === 0) return undefined;
  const message = `A module of ${namespace} may not be called ${denied.join(', ')}: use <service>.${namespace}.svc, or have the suffix granted in EdgeDevice.spec.issuer.dnsSuffixes.`;
  return { reason: 'DnsNameNotGranted', message };
}
