// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';

/** Whether one of the anchors (PEM) has signed it. A bundle holds those of former CAs, whose certificates have not all ended, too. */
export function isSignedByOneOf(leaf: X509Certificate, anchors: string): boolean {
  const each = anchors.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return each.some((anchor) => leaf.verify(new X509Certificate(anchor).publicKey));
}
