// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { readCertificationRequest } from '../issue/certification-request.ts';
import type { Clock } from '../os/clock.ts';
import type { HeldDevice } from './held.ts';
import type { IssuedKeys } from './issued-keys.ts';
import { issueLeaf } from './issuing.ts';
import type { IssueFromRequestRequest } from './key-port.ts';
import type { CertificateRequest, IssuedCertificate } from './port.ts';

export interface CertificationParts {
  readonly issuedKeys: Pick<IssuedKeys, 'check' | 'note'>;
  readonly clock: Clock;
}

/** Whether a public key (SubjectPublicKeyInfo, DER) is one of the notary's own: no module gets a certificate for it. */
export function isOwnKey({ authority, tokens }: Pick<HeldDevice, 'authority' | 'tokens'>, publicKey: Buffer): boolean {
  return authority.isOwnKey(publicKey) || tokens.isOwnKey(publicKey);
}

/** Certifies public keys, each for one module alone, wherever the private half lies. */
export class Certification {
  readonly #parts: CertificationParts;

  constructor(parts: CertificationParts) {
    this.#parts = parts;
  }

  /** For a public key: of a key that the agent made, or of the module's on the token. Throws ProfileViolation, or what the token throws. */
  certify(held: HeldDevice, request: CertificateRequest): IssuedCertificate {
    const { issuedKeys, clock } = this.#parts;
    const { authority, configuration } = held;
    const { publicKey, spiffeId } = request;
    const profile = {
      trustDomain: configuration.trustDomain,
      maxLeafSeconds: configuration.issuer.maxLeafSeconds,
      isOwnKey: (key: Buffer) => isOwnKey(held, key),
      checkUnused: (key: Buffer, holder: string) => issuedKeys.check(key, holder),
    };
    const issued = issueLeaf(authority, profile, request, clock.now());
    issuedKeys.note(publicKey, spiffeId, issued.notAfter);
    return issued;
  }

  /** For a key that the module made and proves to have. Also throws InvalidRequest where the proof fails. */
  certifyRequested(held: HeldDevice, { certificationRequest, ...granted }: IssueFromRequestRequest): IssuedCertificate {
    const { publicKey, uris, dnsNames } = readCertificationRequest(certificationRequest);
    const foreign = [
      ...uris.filter((uri) => uri !== granted.spiffeId),
      ...dnsNames.filter((name) => !granted.dnsNames.includes(name)),
    ];
    if (foreign.length > 0) {
      const expected = ['names of this module', granted.spiffeId, ...granted.dnsNames].join(', ');
      const found = foreign.slice(0, 4).join(', ').slice(0, 512);
      throw new KeysteadError('ProfileViolation', `certification request: expected ${expected}; found ${found}`);
    }
    const asksForNames = uris.length + dnsNames.length > 0;
    return this.certify(held, { ...granted, dnsNames: asksForNames ? dnsNames : granted.dnsNames, publicKey });
  }
}
