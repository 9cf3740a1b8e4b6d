// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG } from '../../../tpm/constants.ts';
import type { EndorsementAlgorithm } from '../../../tpm/endorsement-key.ts';
import type { Attester, AttesterKeys, Credential, PcrQuote, SealedSecret } from '../attester.ts';
import { withAttestationKey, type AttestationAlgorithm } from './attestation-key.ts';
import { activateCredential } from './credential.ts';
import { endorsementCertificate, withEndorsementKey } from './endorsement-key.ts';
import { measureInto } from './pcr.ts';
import { makeQuote } from './quote.ts';
import { seal, unsealData } from './sealed.ts';
import { storagePrimary } from './storage-primary.ts';
import type { Tpm } from './tpm.ts';

/** All evidence of a node is by this one key, which its TPM makes anew each time: a primary of the endorsement hierarchy. */
export const ATTESTATION_ALGORITHM: AttestationAlgorithm = 'EC-P256';

export interface TpmAttesterOptions {
  /** Lets go of the TPM where it is this attester's own. */
  readonly close?: () => void;
  /**
   * Unloads what others keep in this TPM. It has as few as three slots; attesting takes two, and a persistent key that salts
   * sessions takes one too while it is used (TPM_RC_OBJECT_MEMORY otherwise).
   */
  readonly makeRoom?: () => void;
}

/** The node's TPM as it proves what the machine booted. */
export class TpmAttester implements Attester {
  readonly #tpm: Tpm;
  readonly #options: TpmAttesterOptions;
  #endorsement: { readonly algorithm: EndorsementAlgorithm; readonly certificate: Buffer | undefined } | undefined;

  constructor(tpm: Tpm, options: TpmAttesterOptions = {}) {
    this.#tpm = tpm;
    this.#options = options;
  }

  keys(): AttesterKeys {
    this.#options.makeRoom?.();
    const { algorithm, certificate } = this.#chosenEndorsement();
    return {
      endorsementKey: withEndorsementKey(this.#tpm, algorithm, ({ publicArea }) => publicArea),
      ...(certificate && { endorsementCertificate: certificate }),
      attestationKey: withAttestationKey(this.#tpm, ATTESTATION_ALGORITHM, ({ publicArea }) => publicArea),
    };
  }

  activate(credential: Credential): Buffer {
    this.#options.makeRoom?.();
    const { algorithm } = this.#chosenEndorsement();
    return withAttestationKey(this.#tpm, ATTESTATION_ALGORITHM, (attestationKey) =>
      withEndorsementKey(this.#tpm, algorithm, (endorsementKey) =>
        activateCredential(this.#tpm, attestationKey, endorsementKey, credential),
      ),
    );
  }

  quote(nonce: Buffer, pcrs: readonly number[]): PcrQuote {
    this.#options.makeRoom?.();
    const selection = { hash: TPM_ALG.sha256, pcrs };
    const { attest, signature, values } = withAttestationKey(this.#tpm, ATTESTATION_ALGORITHM, (key) =>
      makeQuote(this.#tpm, key, nonce, selection),
    );
    return { attest, signature, pcrs: pcrs.map((index) => ({ index, sha256: hexOf(values.get(index)) })) };
  }

  measure(pcr: number, digests: readonly Buffer[]): void {
    measureInto(this.#tpm, pcr, digests);
  }

  seal(secret: Buffer, pcr: number): SealedSecret {
    const selection = { hash: TPM_ALG.sha256, pcrs: [pcr] };
    const { publicArea, privateArea } = seal(this.#tpm, storagePrimary(this.#tpm), secret, { selection });
    return { publicArea: publicArea.toString('base64'), privateArea: privateArea.toString('base64'), pcr };
  }

  unseal({ publicArea, privateArea, pcr }: SealedSecret): Buffer {
    const selection = { hash: TPM_ALG.sha256, pcrs: [pcr] };
    const blob = { publicArea: Buffer.from(publicArea, 'base64'), privateArea: Buffer.from(privateArea, 'base64') };
    return unsealData(this.#tpm, storagePrimary(this.#tpm), { ...blob, selection });
  }

  close(): void {
    this.#options.close?.();
  }

  /** The key that the maker has certified; P-256 before RSA, which takes a discrete TPM half a minute to make. */
  #chosenEndorsement(): { readonly algorithm: EndorsementAlgorithm; readonly certificate: Buffer | undefined } {
    this.#endorsement ??= (['EC-P256', 'RSA-2048'] as const)
      .map((algorithm) => ({ algorithm, certificate: endorsementCertificate(this.#tpm, algorithm) }))
      .find(({ certificate }) => certificate !== undefined) ?? { algorithm: 'EC-P256', certificate: undefined };
    return this.#endorsement;
  }
}

function hexOf(value: Buffer | undefined): string {
  return value?.toString('hex') ?? '';
}
