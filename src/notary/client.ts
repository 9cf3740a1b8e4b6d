// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { readCertificationRequest } from '../issue/certification-request.ts';
import type { VerificationKey } from '../issue/jwt-verification.ts';
import type {
  AttesterKeys,
  Credential,
  KeyEvidence,
  KeyEvidenceRequest,
  PcrQuote,
  QuoteRequest,
} from './attestation-port.ts';
import type {
  IssuedForKey,
  IssueForKeyRequest,
  IssueFromRequestRequest,
  ModuleKeyName,
  ModuleKeyRequest,
  ModulePublicKey,
  Signature,
  SignRequest,
} from './key-port.ts';
import type { HubCipherRequest, HubKeyImport, HubKeyName, HubSignRequest } from './hub-port.ts';
import { isAskedForAndSigned, issuersIn, type KnownIssuer } from './leaf-check.ts';
import { Link, LinkLost } from './link.ts';
import { operationNamed, type BodyOf, type OperationName, type ResultOf } from './operations/index.ts';
import type {
  CertificateRequest,
  IssuedCertificate,
  IssuedToken,
  Notary,
  NotaryConfiguration,
  NotaryStatus,
  TokenRequest,
} from './port.ts';
import { MAX_REQUEST_ID, type Request } from './protocol.ts';
import type { Revoked, RevokeOthersRequest, RevokeRequest, RevocationLists } from './revocation-port.ts';
import { checkToken } from './token-check.ts';

export interface NotaryClientOptions {
  /** The notary's socket. */
  readonly path: string;
  /** How long a request waits for the notary to come up, milliseconds. */
  readonly patienceMs?: number;
  /** How long the notary may take over one request, milliseconds; slow tokens make RSA keys for half a minute. */
  readonly timeoutMs?: number;
}

const PATIENCE_MS = 2_000;
const TIMEOUT_MS = 60_000;
/** Waits between attempts to connect, milliseconds: doubled from the first to the last. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 500;

/**
 * The notary over its socket. Connects when first needed and again after every loss. A request in flight when the notary
 * dies is asked once more of its successor, and one that the notary has no room for once more after the time that it
 * says: all of them may be repeated. What fails again is the caller's to decide on, who knows if it still wants it.
 */
export class NotaryClient implements Notary {
  readonly #path: string;
  readonly #patienceMs: number;
  readonly #timeoutMs: number;
  #link: Promise<Link> | undefined;
  #lastId = 0;
  #issuers: readonly KnownIssuer[] = [];
  #tokenKeys: readonly VerificationKey[] = [];
  #closed = false;

  constructor(options: NotaryClientOptions) {
    this.#path = options.path;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  async configure(configuration: NotaryConfiguration): Promise<NotaryStatus> {
    return this.#noted(await this.#ask('configure', configuration));
  }

  async status(): Promise<NotaryStatus> {
    return this.#noted(await this.#ask('status', {}));
  }

  /** As the port says; also Internal where the notary gave another certificate than the one asked for. */
  async issue(request: CertificateRequest): Promise<IssuedCertificate> {
    return this.#checked(request, await this.#ask('issue', request));
  }

  async issueForKey(request: IssueForKeyRequest): Promise<IssuedForKey> {
    const { key, ...names } = request;
    const obtained = await this.obtainKey({ key, requester: names.requester });
    return { ...(await this.issue({ ...names, publicKey: obtained.publicKey })), ...obtained };
  }

  /** Has the module's key made where there is none. */
  obtainKey(request: ModuleKeyRequest): Promise<ModulePublicKey> {
    const { key, requester } = request;
    return this.#ask('obtainKey', { key, requester });
  }

  async issueFromRequest(request: IssueFromRequestRequest): Promise<IssuedCertificate> {
    const { publicKey, uris, dnsNames } = readCertificationRequest(request.certificationRequest);
    const asked = uris.length + dnsNames.length > 0 ? { dnsNames } : {};
    return this.#checked({ ...request, publicKey, ...asked }, await this.#ask('issueFromRequest', request));
  }

  signWithKey(request: SignRequest): Promise<Signature> {
    return this.#ask('signWithKey', request);
  }

  destroyKey(key: ModuleKeyName): Promise<void> {
    return this.#ask('destroyKey', key);
  }

  moduleKeys(): Promise<readonly ModuleKeyName[]> {
    return this.#ask('moduleKeys', {});
  }

  /** As the port says; also Internal where the notary gave another token than the one asked for. */
  async issueToken(request: TokenRequest): Promise<IssuedToken> {
    const issued = await this.#ask('issueToken', request);
    // The key may have rolled over since it was last looked at.
    if (!this.#tokenKeys.some(({ kid }) => kid === issued.keyId)) await this.status();
    checkToken(request, issued, this.#tokenKeys);
    return issued;
  }

  attesterKeys(): Promise<AttesterKeys> {
    return this.#ask('attesterKeys', {});
  }

  activateCredential(credential: Credential): Promise<Buffer> {
    return this.#ask('activateCredential', credential);
  }

  quote(request: QuoteRequest): Promise<PcrQuote> {
    return this.#ask('quote', request);
  }

  keyEvidence(request: KeyEvidenceRequest): Promise<KeyEvidence> {
    return this.#ask('keyEvidence', request);
  }

  hubSign(request: HubSignRequest): Promise<Buffer> {
    return this.#ask('hubSign', request);
  }

  hubEncrypt(request: HubCipherRequest): Promise<Buffer> {
    return this.#ask('hubEncrypt', request);
  }

  hubDecrypt(request: HubCipherRequest): Promise<Buffer> {
    return this.#ask('hubDecrypt', request);
  }

  importHubKey(request: HubKeyImport): Promise<void> {
    return this.#ask('importHubKey', request);
  }

  hubKeys(): Promise<readonly HubKeyName[]> {
    return this.#ask('hubKeys', {});
  }

  destroyHubKey(key: HubKeyName): Promise<void> {
    return this.#ask('destroyHubKey', key);
  }

  revoke(request: RevokeRequest): Promise<Revoked> {
    return this.#ask('revoke', request);
  }

  revokeOthers(request: RevokeOthersRequest): Promise<Revoked> {
    return this.#ask('revokeOthers', request);
  }

  revocationLists(): Promise<RevocationLists> {
    return this.#ask('revocationLists', {});
  }

  metrics(): Promise<string> {
    return this.#ask('metrics', {});
  }

  handOver(): Promise<void> {
    return this.#ask('handOver', {});
  }

  close(): void {
    this.#closed = true;
    void this.#link?.then(
      (link) => link.close(),
      () => undefined,
    );
  }

  /** The certificate, where it is what was asked for; it must not reach a module otherwise. */
  async #checked<T extends IssuedCertificate>(request: CertificateRequest, issued: T): Promise<T> {
    if (isAskedForAndSigned(request, issued, this.#issuers)) return issued;
    // The CA may have rolled over since it was last looked at.
    await this.status();
    if (isAskedForAndSigned(request, issued, this.#issuers)) return issued;
    throw new KeysteadError('Internal', "the notary's certificate is not signed by its issuer; it is dropped");
  }

  async #ask<O extends OperationName>(operation: O, body: BodyOf<O>): Promise<ResultOf<O>> {
    try {
      return await this.#askOnce(operation, body);
    } catch (thrown) {
      const { code, retryAfterMs } = asKeysteadError(thrown);
      const full = code === 'Overloaded' && retryAfterMs !== undefined && retryAfterMs <= this.#patienceMs;
      if (this.#closed || !(full || thrown instanceof LinkLost)) throw thrown;
      await sleep(retryAfterMs ?? 0);
      return this.#askOnce(operation, body);
    }
  }

  async #askOnce<O extends OperationName>(operation: O, body: BodyOf<O>): Promise<ResultOf<O>> {
    const link = await this.#connected();
    this.#lastId = this.#lastId < MAX_REQUEST_ID ? this.#lastId + 1 : 1;
    const request = { id: this.#lastId, operation, body } as Request;
    return operationNamed(operation).decodeResult(await link.request(request, this.#timeoutMs)) as ResultOf<O>;
  }

  /** The open connection, shared by all; where there is none the first asker makes it and the others wait with it. */
  async #connected(): Promise<Link> {
    if (this.#closed) throw new KeysteadError('Unavailable', 'the notary client is closed');
    const current = (this.#link ??= this.#connect());
    const link = await current.catch((thrown: unknown) => asKeysteadError(thrown));
    if (link instanceof Link && link.isOpen) return link;
    if (this.#link === current) this.#link = undefined;
    if (link instanceof Link) return this.#connected();
    throw link;
  }

  async #connect(): Promise<Link> {
    const deadline = performance.now() + this.#patienceMs;
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      try {
        return await Link.open(this.#path);
      } catch (thrown) {
        if (this.#closed || performance.now() + wait > deadline) throw asKeysteadError(thrown);
      }
      await sleep(wait);
    }
  }

  #noted(status: NotaryStatus): NotaryStatus {
    if (status.issuer) this.#issuers = issuersIn(status.issuer.chain + status.issuer.anchors);
    if (status.tokens) this.#tokenKeys = status.tokens.keys.map(({ keyId, jwk }) => ({ ...jwk, kid: keyId }));
    return status;
  }
}
