// SPDX-License-Identifier: Apache-2.0
import type { EcJwk } from '../issue/jwk.ts';
import type { TokenFields } from '../issue/jwt-svid.ts';
import type { ErrorCode } from '../errors.ts';
import type { KeyStatus } from './key-role.ts';
import type { IssuerSettings } from './issuer-settings.ts';
import type { KeyNotary } from './key-port.ts';
import type { RevocationNotary, RevocationSummary } from './revocation-port.ts';
import type { HubNotary } from './hub-port.ts';
import type { AttestationNotary } from './attestation-port.ts';
import type { AttesterPlace, RootChoice, RootsChoice } from './root-of-trust/choice.ts';
import type { KeyAlgorithm, TokenDescription } from './root-of-trust/port.ts';

/** Who a certificate is for: written to the audit record and the log, never trusted for the content. */
export interface Requester {
  readonly module: string;
  readonly identity: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  readonly pid?: number;
  readonly imageDigest: string;
}

export interface CertificateRequest {
  /** `spiffe://<trust domain>/<path>`; must lie in the notary's trust domain. */
  readonly spiffeId: string;
  /** SubjectPublicKeyInfo, DER: EC P-256 or P-384, or RSA of 2048 to 4096 bits. */
  readonly publicKey: Buffer;
  readonly dnsNames: readonly string[];
  /** Wanted lifetime in seconds; refused, not shortened, where it exceeds the profile's limit. */
  readonly lifetimeSeconds: number;
  readonly requester: Requester;
  /** Whether the module itself asks, beside what it is delivered: of these a pod may have fewer. */
  readonly byModule?: boolean;
}

export interface IssuedCertificate {
  /** DER, leaf first, then intermediates; never the self-signed root. */
  readonly chain: readonly Buffer[];
  /** Hex, lower case, without leading zero octets stripped away: 32 digits. */
  readonly serial: string;
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Asks for a JWT-SVID; the notary builds the claims from these fields. */
export interface TokenRequest extends TokenFields {
  readonly requester: Requester;
}

export interface IssuedToken {
  /** JWS Compact Serialization. A secret: whoever has it is the module, to its audiences. */
  readonly token: string;
  /** `kid` of the key that signed it. */
  readonly keyId: string;
  readonly jti: string;
  /** Milliseconds since the Unix epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** One key that verifies tokens of this node. */
export interface TokenKeyStatus {
  /** RFC 7638 thumbprint: the `kid`. */
  readonly keyId: string;
  /** `Next` is published before it signs, `Former` until its last token has ended. */
  readonly state: 'Current' | 'Next' | 'Former';
  /** End of signing, start of signing, end of publishing, by state; milliseconds since the Unix epoch. */
  readonly until: number;
  readonly jwk: EcJwk;
  /** Of the current key. */
  readonly keyUri?: string;
  readonly sensitive?: boolean;
  readonly extractable?: boolean;
}

/** State of the notary's root of trust and issuer, for EdgeDevice.status and readiness. */
export interface NotaryStatus {
  readonly protocol: 1;
  readonly version: string;
  /** SHA-256, hex, of the notary's own files as they were at its start, see `measureProgram`. */
  readonly programSha256?: string;
  readonly ready: boolean;
  /** CamelCase reason (an ErrorCode) and message where it is not ready. */
  readonly reason?: string;
  readonly message?: string;
  readonly token?: TokenDescription;
  /** Where modules' keys live, where that is not the same. */
  readonly moduleToken?: TokenDescription;
  /** How far the audit log has got: whoever keeps `head` elsewhere can tell later whether its end was cut. */
  readonly audit?: { readonly records: number; readonly head: string };
  readonly issuer?: {
    readonly algorithm: KeyAlgorithm;
    readonly keyUri: string;
    readonly sensitive: boolean;
    readonly extractable: boolean;
    /** PEM of the issuing certificate and those above it. */
    readonly chain: string;
    /** PEM of the trust anchors that modules of this node must know (the current root, and former ones still in use). */
    readonly anchors: string;
    readonly notBefore: number;
    readonly notAfter: number;
  };
  /** The keys of this node, the node's own first and those used last next; `keyCount` of them in all. */
  readonly keys?: readonly KeyStatus[];
  readonly keyCount?: number;
  readonly tokens?: {
    readonly keys: readonly TokenKeyStatus[];
    /** Why no token can be signed now, though certificates can. */
    readonly failure?: { readonly code: ErrorCode; readonly message: string };
  };
  readonly revocation?: RevocationSummary;
}

export type { IssuerSettings, KeyStatus, RootChoice, RootsChoice };

/** What of the status is the root of trust's own. */
export type TokenStatus = Pick<
  NotaryStatus,
  'ready' | 'reason' | 'message' | 'token' | 'moduleToken' | 'issuer' | 'keys' | 'keyCount' | 'tokens' | 'revocation'
>;

/** Tells the notary what EdgeDevice.spec asks for. Repeating it unchanged does nothing. */
export interface NotaryConfiguration {
  readonly trustDomain: string;
  readonly node: string;
  readonly rootOfTrust: RootsChoice;
  readonly issuer: IssuerSettings;
  /** The master secret that is used at least; a higher one than before makes a new one. */
  readonly masterSecretVersion?: number;
  readonly tokens: {
    /** How long one key signs tokens. */
    readonly keyLifetimeSeconds: number;
    /** Longest lifetime of a token that may be asked for. */
    readonly maxSeconds: number;
    /** A key made before this time is followed by a new one; milliseconds since the Unix epoch. */
    readonly rotateBefore?: number;
  };
  /** Absent where no TPM attests. */
  readonly measuredBoot?: {
    /** Absent where the root of trust is the TPM. */
    readonly tpm?: AttesterPlace;
    /** PCR into which the programs are measured. */
    readonly applicationPcr: number;
    /** SHA-256 of the agent's program, 64 hexadecimal digits, as it says. */
    readonly agentProgram?: string;
  };
}

/** The notary, as the agent sees it. Errors are KeysteadErrors with the notary's own code and message. */
export interface Notary extends AttestationNotary, KeyNotary, HubNotary, RevocationNotary {
  configure(configuration: NotaryConfiguration): Promise<NotaryStatus>;
  status(): Promise<NotaryStatus>;
  issue(request: CertificateRequest): Promise<IssuedCertificate>;
  issueToken(request: TokenRequest): Promise<IssuedToken>;
  /** Prometheus text of the notary's own metrics. */
  metrics(): Promise<string>;
  /** Has the notary end its work: the next one on the same state may begin. Resolves once it answers nobody any more. */
  handOver(): Promise<void>;
  close(): void;
}
