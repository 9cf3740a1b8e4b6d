// SPDX-License-Identifier: Apache-2.0
import type {
  EdgeDevice,
  EdgeDeviceStatusAttester,
  EdgeDeviceStatusAttesterAnswer,
  EdgeDeviceStatusIntegrityChallenge,
} from '../src/api/v1alpha1/index.ts';
import { asKeysteadError } from '../src/errors.ts';
import type { Notary } from '../src/notary/port.ts';

export interface NodeAttesterPorts {
  readonly notary: Pick<Notary, 'attesterKeys' | 'activateCredential' | 'quote'>;
  /** The kernel's identifier of this boot. */
  readonly bootId: string;
}

type Keys = Pick<EdgeDeviceStatusAttester, 'endorsementKey' | 'endorsementCertificate' | 'attestationKey'>;

/**
 * Passes the controller's challenge on to the notary, and what the TPM says to it back: EdgeDevice.status.attester. It
 * answers each challenge once and judges nothing.
 */
export class NodeAttester {
  readonly #ports: NodeAttesterPorts;
  #keys: Keys | undefined;
  #answer: EdgeDeviceStatusAttesterAnswer | undefined;

  constructor(ports: NodeAttesterPorts) {
    this.#ports = ports;
  }

  /** What the status says of the TPM; undefined where there is no measured boot. Never rejects. */
  async attest({ spec, status }: EdgeDevice): Promise<EdgeDeviceStatusAttester | undefined> {
    if (!spec.measuredBoot) return undefined;
    const bootID = this.#ports.bootId;
    try {
      this.#keys ??= await this.#askKeys();
    } catch (thrown) {
      return { bootID, failure: failureOf(thrown) };
    }
    const challenge = status?.integrity?.challenge;
    if (challenge && challenge.nonce !== this.#answer?.nonce) this.#answer = await this.#answered(challenge);
    return { bootID, ...this.#keys, ...(this.#answer && { answer: this.#answer }) };
  }

  async #askKeys(): Promise<Keys> {
    const { endorsementKey, endorsementCertificate, attestationKey } = await this.#ports.notary.attesterKeys();
    return {
      endorsementKey: endorsementKey.toString('base64'),
      ...(endorsementCertificate && { endorsementCertificate: endorsementCertificate.toString('base64') }),
      attestationKey: attestationKey.toString('base64'),
    };
  }

  async #answered(challenge: EdgeDeviceStatusIntegrityChallenge): Promise<EdgeDeviceStatusAttesterAnswer> {
    const { nonce, credential, encryptedSecret, pcrs } = challenge;
    const { notary } = this.#ports;
    try {
      const secret = await notary.activateCredential({
        blob: octets(credential),
        encryptedSecret: octets(encryptedSecret),
      });
      const quote = await notary.quote({ nonce: octets(nonce), pcrs });
      return {
        nonce,
        secret: secret.toString('base64'),
        attest: quote.attest.toString('base64'),
        signature: quote.signature.toString('base64'),
        pcrs: quote.pcrs,
      };
    } catch (thrown) {
      // The TPM may have been exchanged or cleared: its keys are asked for anew with the next challenge.
      this.#keys = undefined;
      return { nonce, failure: failureOf(thrown) };
    }
  }
}

const MAX_MESSAGE = 1024;

function failureOf(thrown: unknown): { reason: string; message: string } {
  const { code, message } = asKeysteadError(thrown);
  return { reason: code, message: message.slice(0, MAX_MESSAGE) };
}

function octets(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}
