// SPDX-License-Identifier: Apache-2.0

/**
 * Whether a module of `namespace` may have a DNS name in its certificate: names of Services in its own namespace
 * always (`web.<namespace>`, `web.<namespace>.svc`, `web.<namespace>.svc.cluster.local`), others only below a suffix
 * that the device's owner grants in EdgeDevice.spec.issuer.dnsSuffixes.
 */
export function isGranted(dnsName: string, namespace: string, suffixes: readonly string[]): boolean {
  const inCluster = ['', '.svc', '.svc.cluster.local'].map((tail) => `.${namespace}${tail}`);
  const granted = suffixes.map((suffix) => (suffix.startsWith('.') ? suffix : `.${suffix}`));
  const isBelow = (tail: string): boolean => dnsName.endsWith(tail) && dnsName.length > tail.length;
  const isService = (tail: string): boolean => isBelow(tail) && !dnsName.slice(0, -tail.length).includes('.');
  return inCluster.some(isService) || granted.some(isBelow);
}
