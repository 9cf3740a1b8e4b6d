// SPDX-License-Identifier: Apache-2.0
import type { Verdict } from '../attest/port.ts';
import type { Credentials } from '../deliver/port.ts';
import type { VerificationKey } from '../issue/jwt-verification.ts';
import type { IssuedToken, Requester, TokenRequest } from '../notary/port.ts';
import type { Pidfd } from '../os/pidfd.ts';

/** One identity as the pod's sockets serve it. */
export interface ServedIdentity {
  /** Name of the ModuleIdentity; also the hint by which a module with several tells them apart. */
  readonly identity: string;
  readonly credentials: Credentials;
}

/** What the pod of a socket may have at this moment. */
export type Standing =
  /** Not judged yet, or just between two judgements: worth a short wait. */
  | { readonly state: 'Pending' }
  /** `passing`: nothing speaks against the module, only nothing can be issued just now. */
  | { readonly state: 'Refused'; readonly reason: string; readonly message: string; readonly passing: boolean }
  /** `partial`: just now being given, more may follow in a moment. */
  | { readonly state: 'Held'; readonly served: readonly ServedIdentity[]; readonly partial?: true };

/** What a trust domain's identities are verified with. */
export interface DomainBundle {
  /** Trust anchors, PEM; empty while they are not known. */
  readonly anchors: string;
  /** Keys for JWT-SVIDs. */
  readonly keys: readonly VerificationKey[];
  /** Revocation lists of the anchors, PEM. */
  readonly crls?: string;
  /** Revoked JWT-SVIDs, by `jti`. */
  readonly revokedTokens?: readonly string[];
}

/** What this node knows of trust domains. A change makes a new one. */
export interface TrustStore {
  /** The node's own. */
  readonly own: DomainBundle;
  /** Those of other trust domains, by name. */
  readonly foreign: ReadonlyMap<string, DomainBundle>;
}

/** What a ModuleIdentity grants of the Notary API. */
export interface NotaryGrant {
  readonly sign: boolean;
  readonly encrypt: boolean;
  readonly issue: boolean;
}

/** What a ModuleIdentity grants beside its certificate. */
export interface IdentityTerms {
  /** Undefined where it grants no tokens. */
  readonly token?: { readonly audiences: readonly string[]; readonly lifetimeSeconds: number };
  /** Trust domains whose bundles the module gets. */
  readonly federatesWith: readonly string[];
  /** What it may ask of the Notary API. */
  readonly notary: NotaryGrant;
  /** Who asks, for the notary's record. */
  readonly requester: Requester;
}

/** What the sockets need of the rest of the agent. */
export interface WorkloadPorts {
  standing(podUid: string): Standing;
  /**
   * Measures the process that called and judges it by the same rules as the module's first process. Undefined while
   * the pod is not known to this agent, for example just after its start.
   */
  judge(podUid: string, pid: number): Promise<Verdict | undefined>;
  trust(): TrustStore;
  /** Undefined where the identity, or the pod, is not known any more. */
  terms(podUid: string, identity: string): IdentityTerms | undefined;
  /** Has the notary sign a JWT-SVID. */
  issueToken(request: TokenRequest): Promise<IssuedToken>;
}

/** A process at the other end of a pod's socket, held so that its pid cannot become another's. */
export interface Caller {
  readonly podUid: string;
  /** Identity that the socket's volume was asked for; undefined where it names none. */
  readonly identity: string | undefined;
  readonly pid: number;
  /** Names the program that runs in it now; differs after an exec. Undefined where the process has ended. */
  incarnation(): string | undefined;
}

/** Names the program that runs in a held process now, as `Caller` tells it. */
export type IncarnationOf = (process: Pick<Pidfd, 'pid' | 'alive'>) => string | undefined;
