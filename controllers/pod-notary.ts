// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../src/errors.ts';
import type { Holding, Refusal } from '../src/identity/holding.ts';
import type { Wanted } from '../src/issue/credentials.ts';
import type { AttestationNotary, KeyEvidence } from '../src/notary/attestation-port.ts';
import type { HubCipherRequest, HubNotary } from '../src/notary/hub-port.ts';
import type { KeyNotary, Signature, SignRequest } from '../src/notary/key-port.ts';
import type { IssuedCertificate } from '../src/notary/port.ts';
import type {
  Asked,
  CertificationQuestion,
  CipherQuestion,
  EvidenceQuestion,
  NotaryApiPorts,
} from '../src/workload/notary/port.ts';

export interface PodNotaryPorts {
  readonly notary: Pick<KeyNotary, 'signWithKey' | 'issueFromRequest'> &
    Pick<AttestationNotary, 'keyEvidence'> &
    Pick<HubNotary, 'hubEncrypt' | 'hubDecrypt'>;
  /** By `namespace/name`. */
  identity(key: string): ModuleIdentity | undefined;
  holding(podUid: string): Holding | undefined;
  /** What the identity's certificates may say on this node; a refusal where it may not have any. */
  wanted(identity: ModuleIdentity): Wanted | Refusal;
}

/** Sets the Notary API's keys apart from those of the IoT Edge Workload API, where generations are the hub's. */
const GENERATION = 'keystead.notary';

/** What the Notary API has the notary do, for attested callers whose ModuleIdentity grants it. */
export class PodNotary implements NotaryApiPorts {
  readonly #ports: PodNotaryPorts;

  constructor(ports: PodNotaryPorts) {
    this.#ports = ports;
  }

  sign(request: SignRequest): Promise<Signature> {
    return this.#ports.notary.signWithKey(request);
  }

  evidence(question: EvidenceQuestion): Promise<KeyEvidence> {
    return this.#ports.notary.keyEvidence(question);
  }

  async encrypt(question: CipherQuestion): Promise<Buffer> {
    return this.#ports.notary.hubEncrypt(this.#cipher(question));
  }

  async decrypt(question: CipherQuestion): Promise<Buffer> {
    return this.#ports.notary.hubDecrypt(this.#cipher(question));
  }

  /** For the names of the identity's own certificates, and for no longer than those. */
  async issue({ certificationRequest, lifetimeSeconds, ...asked }: CertificationQuestion): Promise<IssuedCertificate> {
    const { spiffeId, dnsNames, lifetimeSeconds: longest } = this.#wanted(asked);
    const seconds = lifetimeSeconds ?? longest;
    if (!(seconds >= 1 && seconds <= longest)) {
      const expected = `1 to ${longest} seconds, the x509.duration of ModuleIdentity ${asked.identity}`;
      throw new KeysteadError('InvalidRequest', `lifetime: expected ${expected}, found ${seconds}`);
    }
    const { requester } = asked;
    return this.#ports.notary.issueFromRequest({
      ...{ certificationRequest, spiffeId, dnsNames, requester },
      lifetimeSeconds: seconds,
    });
  }

  #wanted(asked: Asked): Wanted {
    const identity = this.#ports.identity(`${this.#namespace(asked)}/${asked.identity}`);
    if (!identity) throw new KeysteadError('NotFound', `ModuleIdentity ${asked.identity} was deleted`);
    const wanted = this.#ports.wanted(identity);
    if (!('reason' in wanted)) return wanted;
    throw new KeysteadError(wanted.passing ? 'Unavailable' : 'PermissionDenied', `${wanted.reason}: ${wanted.message}`);
  }

  #cipher({ text, additionalData, ...asked }: CipherQuestion): HubCipherRequest {
    const { identity, requester } = asked;
    const module = { namespace: this.#namespace(asked), moduleId: identity, generationId: GENERATION };
    return { module, initializationVector: additionalData, text, requester };
  }

  #namespace({ caller }: Asked): string {
    const holding = this.#ports.holding(caller.podUid);
    if (holding) return holding.namespace;
    throw new KeysteadError('Unavailable', 'this pod has not been judged yet; ask again');
  }
}
