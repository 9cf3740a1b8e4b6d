// SPDX-License-Identifier: Apache-2.0
import type {
  AttesterKeys,
  Credential,
  KeyEvidence,
  KeyEvidenceRequest,
  PcrQuote,
  QuoteRequest,
} from './attestation-port.ts';
import { Attestations } from './attestations.ts';
import type { UseRecorder } from './audit.ts';
import { Certification, isOwnKey } from './certification.ts';
import { Custody, type CustodyOptions } from './custody.ts';
import type { Draft } from './drafts/draft.ts';
import { TermsKeeper, type DraftingTerms } from './drafts/terms.ts';
import type { HeldDevice } from './held.ts';
import type { HubCipherRequest, HubKeyImport, HubKeyName, HubSignRequest } from './hub-port.ts';
import { IssuedCredentials } from './issued-credentials.ts';
import { issuerTag } from './issued-entry.ts';
import { IssuedKeys } from './issued-keys.ts';
import type {
  IssueFromRequestRequest,
  ModuleKeyName,
  ModuleKeyRequest,
  ModulePublicKey,
  Signature,
  SignRequest,
} from './key-port.ts';
import { ModuleService } from './module-service.ts';
import type { TokenOperation, TokenPerformers } from './operations/index.ts';
import type {
  CertificateRequest,
  IssuedCertificate,
  IssuedToken,
  NotaryConfiguration,
  TokenRequest,
  TokenStatus,
} from './port.ts';
import { RecordedUses } from './recorded-uses.ts';
import type { Revoked, RevokeOthersRequest, RevokeRequest, RevocationLists } from './revocation-port.ts';
import { Revocations } from './revocations.ts';
import type { Share } from './share.ts';
import type { ThreadService } from './threads/worker.ts';
import { issueJwtSvid } from './token-issuing.ts';
import { deviceStatus, failedStatus } from './token-status.ts';

export interface NotaryServiceOptions extends CustodyOptions {
  readonly uses: UseRecorder;
}

/**
 * What the notary does in the thread of the node's own root of trust, which may hold modules' keys too: a method for each
 * operation. All is synchronous: one thing at a time.
 */
export class NotaryService implements TokenPerformers, ThreadService {
  readonly #options: NotaryServiceOptions;
  readonly #custody: Custody;
  readonly #uses: RecordedUses;
  readonly #issuedKeys: IssuedKeys;
  readonly #issued: IssuedCredentials;
  readonly #revocations: Revocations;
  readonly #certification: Certification;
  readonly #attestations: Attestations;
  readonly #modules: ModuleService;
  readonly #terms = new TermsKeeper();

  constructor(options: NotaryServiceOptions) {
    this.#options = options;
    this.#custody = new Custody({ ...options, upkeep: () => this.#revocations.tryMaintain() });
    this.#uses = new RecordedUses(this.#custody, options.uses);
    this.#issuedKeys = new IssuedKeys({ folder: options.state.path, clock: options.clock });
    this.#issued = new IssuedCredentials({ folder: options.state.path, clock: options.clock });
    this.#revocations = new Revocations({
      ...options,
      issued: this.#issued,
      useAuthority: (use) => this.#custody.useDevice(({ authority }) => use(authority)),
    });
    this.#modules = new ModuleService({ ...options, custody: this.#custody });
    this.#attestations = new Attestations({ ...options, custody: this.#custody });
    this.#certification = new Certification({ issuedKeys: this.#issuedKeys, clock: options.clock });
  }

  /**
   * Takes over a configuration. A first one is kept even where the token cannot be opened yet, unless it must open: the
   * status says why. A later one that cannot be put into effect throws, and the former stays.
   */
  configure(wanted: NotaryConfiguration, share: Share = 'All', mustOpen = false): void {
    this.#custody.change(wanted, share);
    if (mustOpen && this.#custody.failure) throw this.#custody.failure;
  }

  status(): TokenStatus {
    const { held, failure } = this.#custody;
    return held ? deviceStatus(held, this.#revocations.summary()) : failedStatus(failure);
  }

  /** Issues within the profile. */
  issue(request: CertificateRequest): IssuedCertificate {
    return this.#issue('issue', request, (held) => this.#certification.certify(held, request));
  }

  /** Under which leaves may be drafted now; undefined where none can be issued. */
  get draftingTerms(): DraftingTerms | undefined {
    return this.#terms.of(this.#custody.held?.device);
  }

  /** Signs a leaf that was drafted; undefined where it has to be asked for as a whole, which says why. */
  signDraft(draft: Draft): Buffer | undefined {
    try {
      return this.#custody.useDevice((held) => this.#signDraft(held, draft));
    } catch {
      return undefined;
    }
  }

  /** Issues for a key that the module made. */
  issueFromRequest(request: IssueFromRequestRequest): IssuedCertificate {
    const asked = { ...request, byModule: true };
    return this.#issue('issueFromRequest', asked, (held) => this.#certification.certifyRequested(held, request));
  }

  /** Makes what was done durable, apart from its record; no answer may leave before it. */
  commit(): void {
    this.#issuedKeys.commit();
    const revoked = this.#revocations.commit();
    this.#issued.commit();
    if (revoked) this.#options.changed();
  }

  revoke(request: RevokeRequest): Revoked {
    return this.#revocations.revoke(request);
  }

  revokeOthers(request: RevokeOthersRequest): Revoked {
    return this.#revocations.revokeOthers(request);
  }

  revocationLists(): RevocationLists {
    return this.#revocations.lists();
  }

  /** Issues a JWT-SVID within the profile. The token itself is written nowhere. */
  issueToken(request: TokenRequest): IssuedToken {
    const { requester, spiffeId, audiences } = request;
    const use = { operation: 'issueToken', requester, spiffeId, audiences } as const;
    return this.#uses.ofDevice(use, ({ tokens, configuration }) => {
      const { trustDomain, tokens: limits } = configuration;
      const { signer } = tokens;
      const profile = { trustDomain, maxTokenSeconds: limits.maxSeconds };
      const result = issueJwtSvid(signer, profile, request, this.#options.clock.now());
      const { jti, keyId, issuedAt: notBefore, expiresAt: notAfter } = result;
      const id = Buffer.from(jti, 'base64url').toString('hex');
      this.#issued.note(requester, { kind: 'Token', id, issuer: '', until: notAfter });
      return { result, outcome: { result: 'Issued', keyUri: signer.key.uri, jti, keyId, notBefore, notAfter } };
    });
  }

  attesterKeys(): AttesterKeys {
    return this.#attestations.keys();
  }

  activateCredential(credential: Credential): Buffer {
    return this.#attestations.activate(credential);
  }

  quote(request: QuoteRequest): PcrQuote {
    return this.#attestations.quote(request);
  }

  keyEvidence(request: KeyEvidenceRequest): KeyEvidence {
    return this.#attestations.keyEvidence(request);
  }

  obtainKey(request: ModuleKeyRequest): ModulePublicKey {
    return this.#modules.obtainKey(request);
  }

  signWithKey(request: SignRequest): Signature {
    return this.#modules.signWithKey(request);
  }

  destroyKey(name: ModuleKeyName): void {
    this.#modules.destroyKey(name);
  }

  moduleKeys(): readonly ModuleKeyName[] {
    return this.#modules.moduleKeys();
  }

  hubSign(request: HubSignRequest): Buffer {
    return this.#modules.hubSign(request);
  }

  hubEncrypt(request: HubCipherRequest): Buffer {
    return this.#modules.hubEncrypt(request);
  }

  hubDecrypt(request: HubCipherRequest): Buffer {
    return this.#modules.hubDecrypt(request);
  }

  importHubKey(request: HubKeyImport): void {
    this.#modules.importHubKey(request);
  }

  hubKeys(): readonly HubKeyName[] {
    return this.#modules.hubKeys();
  }

  destroyHubKey(name: HubKeyName): void {
    this.#modules.destroyHubKey(name);
  }

  close(): void {
    this.#custody.close();
    this.#issuedKeys.close();
    this.#issued.close();
  }

  #signDraft(held: HeldDevice, draft: Draft): Buffer | undefined {
    const { epoch, tbs, publicKey, spiffeId, serial, notAfter } = draft;
    if (this.#terms.of(held)?.epoch !== epoch || isOwnKey(held, publicKey)) return undefined;
    this.#issuedKeys.check(publicKey, spiffeId);
    this.#issued.admit(draft);
    const { key, identity } = held.authority.issuer;
    const signature = key.sign(tbs);
    this.#issuedKeys.note(publicKey, spiffeId, notAfter);
    const issuer = issuerTag(identity.keyIdentifier);
    this.#issued.note(draft, { kind: 'Certificate', id: serial, issuer, until: notAfter });
    return signature;
  }

  #issue<T extends IssuedCertificate>(
    operation: TokenOperation,
    { requester, spiffeId, byModule }: Pick<CertificateRequest, 'requester' | 'spiffeId' | 'byModule'>,
    certify: (held: HeldDevice) => T,
  ): T {
    return this.#uses.ofDevice({ operation, requester, spiffeId }, (held) => {
      this.#issued.admit(requester, byModule);
      const result = certify(held);
      const { serial, notBefore, notAfter } = result;
      const { key, identity } = held.authority.issuer;
      const issuer = issuerTag(identity.keyIdentifier);
      this.#issued.note(requester, { kind: 'Certificate', id: serial, issuer, until: notAfter });
      return { result, outcome: { result: 'Issued', keyUri: key.uri, serial, notBefore, notAfter } };
    });
  }
}
