// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto';
import type { CertificateRequest } from '../../../src/notary/port.ts';

export interface Leaf {
  readonly request: CertificateRequest;
  readonly privateKey: string;
}

/** A request with a fresh key, and that key. */
export function freshLeaf(module = 'press'): Leaf {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const request = {
    spiffeId: `spiffe://edge.example/ns/factory/module/${module}`,
    publicKey: pair.publicKey.export({ type: 'spki', format: 'der' }),
    dnsNames: [`${module}.factory.svc`],
    lifetimeSeconds: 600,
    requester: {
      module: `factory/${module}`,
      identity: `factory/${module}`,
      pod: `factory/${module}-0`,
      podUid: '7f1f9d5e',
      container: 'containerd://abc',
      imageDigest: 'sha256:00',
    },
  };
  return { request, privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

export function freshRequest(): CertificateRequest {
  return freshLeaf().request;
}
