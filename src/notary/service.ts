// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { pemOf } from '../issue/pem.ts';
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
import { Custody, type CustodyOptions, type Held } from './custody.ts';
import type { Draft } from './drafts/draft.ts';
import { TermsKeeper, type DraftingTerms } from './drafts/terms.ts';
import type { HubKeys, HubUse } from './hub-keys.ts';
import type { HubCipherRequest, HubKeyImport, HubSignRequest } from './hub-port.ts';
import { IssuedCredentials, issuerTag } from './issued-credentials.ts';
import { IssuedKeys } from './issued-keys.ts';
import type {
  IssuedForKey,
  IssueForKeyRequest,
  IssueFromRequestRequest,
  ModuleKeyName,
  Signature,
  SignRequest,
} from './key-port.ts';
import type { TokenOperation, TokenPerformers } from './operations/index.ts';
import type {
  CertificateRequest,
  IssuedCertificate,
  IssuedToken,
  NotaryConfiguration,
  NotaryStatus,
  Requester,
  TokenRequest,
  TokenStatus,
} from './port.ts';
import { RecordedUses } from './recorded-uses.ts';
import type { Revoked, RevokeOthersRequest, RevokeRequest, RevocationLists } from './revocation-port.ts';
import { Revocations } from './revocations.ts';
import { issueJwtSvid } from './token-issuing.ts';
import type { TokenKeys } from './token-keys.ts';

/** EdgeDevice.status has room for so many. */
const MAX_KEYS_SHOWN = 128;

export interface NotaryServiceOptions extends CustodyOptions {
  readonly uses: UseRecorder;
}

/**
 * What the notary does with a root of trust, in the thread of that root: a method for each operation. All is
 * synchronous: one thing at a time.
 */
export class NotaryService implements TokenPerformers {
  readonly #options: NotaryServiceOptions;
  readonly #custody: Custody;
  readonly #uses: RecordedUses;
  readonly #issuedKeys: IssuedKeys;
  readonly #issued: IssuedCredentials;
  readonly #revocations: Revocations;
  readonly #certification: Certification;
  readonly #attestations: Attestations;
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
      useAuthority: (use) => this.#custody.use(({ authority }) => use(authority)),
    });
    this.#attestations = new Attestations({ ...options, custody: this.#custody });
    this.#certification = new Certification({ issuedKeys: this.#issuedKeys, clock: options.clock });
  }

  /**
   * Takes over a configuration. A first one is kept even where the token cannot be opened yet, unless it must open: the
   * status says why. A later one that cannot be put into effect throws, and the former stays.
   */
  configure(wanted: NotaryConfiguration, mustOpen = false): void {
    this.#custody.change(wanted);
    if (mustOpen && this.#custody.failure) throw this.#custody.failure;
  }

  status(): TokenStatus {
    const { held, failure } = this.#custody;
    if (!held) {
      const reason = failure ?? { code: 'Unavailable', message: 'the root of trust is being opened' };
      return { ready: false, reason: reason.code, message: reason.message };
    }
    const { key, entry, intermediates } = held.authority.issuer;
    const { sensitive, extractable } = key.attributes;
    const issuer: NotaryStatus['issuer'] = {
      algorithm: key.algorithm,
      keyUri: key.uri,
      sensitive,
      extractable,
      chain: [entry.der, ...intermediates.slice(1)].map(pemOf).join(''),
      anchors: held.authority.anchors.map(pemOf).join(''),
      ...entry.certificate.validity,
    };
    const { device, modules } = held.roots;
    const moduleToken = modules !== device && { moduleToken: modules.token };
    const revocation = this.#revocations.summary();
    const keys = this.#custody
      .keys()
      .map((entry) => (entry.uri === key.uri ? { ...entry, purpose: 'Issuer' as const } : entry));
    const inventory = { keys: keys.slice(0, MAX_KEYS_SHOWN), keyCount: keys.length };
    const tokens = tokensOf(held.tokens);
    return { ready: true, token: device.token, ...moduleToken, issuer, ...inventory, tokens, revocation };
  }

  /** Issues within the profile. */
  issue(request: CertificateRequest): IssuedCertificate {
    return this.#issue('issue', request, (held) => this.#certification.certify(held, request));
  }

  /** Under which leaves may be drafted now; undefined where none can be issued. */
  get draftingTerms(): DraftingTerms | undefined {
    return this.#terms.of(this.#custody.held);
  }

  /** Signs a leaf that was drafted; undefined where it has to be asked for as a whole, which says why. */
  signDraft(draft: Draft): Buffer | undefined {
    try {
      return this.#custody.use((held) => this.#signDraft(held, draft));
    } catch {
      return undefined;
    }
  }

  /** Issues for the module's key on the token. */
  issueForKey(request: IssueForKeyRequest): IssuedForKey {
    return this.#issue('issueForKey', request, (held) => this.#certification.certifyHeld(held, request));
  }

  /** Issues for a key that the module made. */
  issueFromRequest(request: IssueFromRequestRequest): IssuedCertificate {
    return this.#issue('issueFromRequest', request, (held) => this.#certification.certifyRequested(held, request));
  }

  /** Signs what a module brings, with that module's key and no other. */
  signWithKey({ key: name, requester, ...input }: SignRequest): Signature {
    return this.#uses.run({ operation: 'signWithKey', requester }, ({ moduleKeys }) => {
      const key = moduleKeys.get(name);
      const { algorithm, uri: keyUri } = key;
      const signature = 'digest' in input ? key.signDigest(checkedDigest(input.digest)) : key.sign(input.message);
      return { result: { signature, algorithm, keyUri }, outcome: { result: 'Done', keyUri } };
    });
  }

  destroyKey(name: ModuleKeyName): void {
    this.#uses.run({ operation: 'destroyKey' }, ({ moduleKeys }) => {
      const keyUri = moduleKeys.destroy(name);
      return { result: undefined, outcome: { result: 'Done', keyUri } };
    });
  }

  moduleKeys(): readonly ModuleKeyName[] {
    return this.#custody.use(({ moduleKeys }) => moduleKeys.list());
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
    return this.#uses.run({ operation: 'issueToken', requester, spiffeId, audiences }, ({ tokens, configuration }) => {
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

  hubSign(request: HubSignRequest): Buffer {
    return this.#useHubKeys('hubSign', request, (keys) => keys.sign(request));
  }

  hubEncrypt(request: HubCipherRequest): Buffer {
    return this.#useHubKeys('hubEncrypt', request, (keys) => keys.encrypt(request));
  }

  hubDecrypt(request: HubCipherRequest): Buffer {
    return this.#useHubKeys('hubDecrypt', request, (keys) => keys.decrypt(request));
  }

  /** Takes a hub's key in and wipes what it was given. */
  importHubKey(request: HubKeyImport): void {
    try {
      this.#uses.run({ operation: 'importHubKey' }, ({ hubKeys }) => {
        const keyUri = hubKeys.import(request);
        return { result: undefined, outcome: { result: 'Done', keyUri } };
      });
    } finally {
      request.key.fill(0);
    }
  }

  close(): void {
    this.#custody.close();
    this.#issuedKeys.close();
    this.#issued.close();
  }

  #signDraft(held: Held, draft: Draft): Buffer | undefined {
    const { epoch, tbs, publicKey, spiffeId, serial, notAfter } = draft;
    if (this.#terms.of(held)?.epoch !== epoch || isOwnKey(held, publicKey)) return undefined;
    this.#issuedKeys.check(publicKey, spiffeId);
    const { key, identity } = held.authority.issuer;
    const signature = key.sign(tbs);
    this.#issuedKeys.note(publicKey, spiffeId, notAfter);
    const issuer = issuerTag(identity.keyIdentifier);
    this.#issued.note(draft, { kind: 'Certificate', id: serial, issuer, until: notAfter });
    return signature;
  }

  #issue<T extends IssuedCertificate>(
    operation: TokenOperation,
    { requester, spiffeId }: Pick<CertificateRequest, 'requester' | 'spiffeId'>,
    certify: (held: Held) => T,
  ): T {
    return this.#uses.run({ operation, requester, spiffeId }, (held) => {
      const result = certify(held);
      const { serial, notBefore, notAfter } = result;
      const { key, identity } = held.authority.issuer;
      const issuer = issuerTag(identity.keyIdentifier);
      this.#issued.note(requester, { kind: 'Certificate', id: serial, issuer, until: notAfter });
      return { result, outcome: { result: 'Issued', keyUri: key.uri, serial, notBefore, notAfter } };
    });
  }

  #useHubKeys(
    operation: TokenOperation,
    { requester }: { readonly requester: Requester },
    use: (keys: HubKeys) => HubUse,
  ): Buffer {
    return this.#uses.run({ operation, requester }, ({ hubKeys }) => {
      const { result, keyUri } = use(hubKeys);
      return { result, outcome: { result: 'Done', keyUri } };
    });
  }
}

/** Module keys are P-256, whose digest is SHA-256. */
function checkedDigest(digest: Buffer): Buffer {
  if (digest.length === 32) return digest;
  throw new KeysteadError('InvalidRequest', `digest: expected a SHA-256 of 32 bytes, found ${digest.length} bytes`);
}

function tokensOf({ published, failure }: TokenKeys): NonNullable<NotaryStatus['tokens']> {
  return { keys: published, ...(failure && { failure: { code: failure.code, message: failure.message } }) };
}
