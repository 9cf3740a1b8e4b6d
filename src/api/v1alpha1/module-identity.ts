// SPDX-License-Identifier: Apache-2.0
// Generated from crds/ by `npm run generate`; changes made here are lost.
import type { Condition } from '../conditions.ts';
import type { ObjectMeta } from '../object-meta.ts';

/** ModuleIdentity declares which identity the attested processes of a module get, and how it reaches them. */
export interface ModuleIdentity {
  readonly apiVersion: 'keystead.dev/v1alpha1';
  readonly kind: 'ModuleIdentity';
  readonly metadata: ObjectMeta;
  /** Which identity, for which module, and how it is delivered. */
  readonly spec: ModuleIdentitySpec;
  /** What was issued, and who holds it; written by the agents and the controller. */
  readonly status?: ModuleIdentityStatus;
}

/** Which identity, for which module, and how it is delivered. */
export interface ModuleIdentitySpec {
  /** The EdgeModule of this namespace that the identity is for. It cannot be changed later. */
  readonly moduleRef: ModuleIdentitySpecModuleRef;
  /**
   * SPIFFE ID that the certificates carry: spiffe://<trust domain>/ns/<this namespace>/<path>. Left out, it is
   * spiffe://<trust domain of the node>/ns/<namespace>/module/<name of this ModuleIdentity>. It cannot be changed later.
   */
  readonly spiffeId?: string;
  /** The X.509-SVID. */
  readonly x509: ModuleIdentitySpecX509;
  /** JWT-SVIDs that the module may fetch on the Workload API. Left out, it gets none. Needs Socket in delivery. */
  readonly token?: ModuleIdentitySpecToken;
  /** The private key of the certificate. */
  readonly key: ModuleIdentitySpecKey;
  /**
   * What the module may ask of the Notary API on spiffe.sock, beyond reading its identity. Left out, nothing. Needs Socket
   * in delivery.
   */
  readonly notary?: ModuleIdentitySpecNotary;
  /**
   * The module as an Azure IoT Hub knows it. Given, the identity volume also holds workload.sock, the IoT Edge Workload
   * API, and modules that Keystead deploys find it by the IOTEDGE_ variables. Needs Volume or Socket in delivery.
   */
  readonly iotEdge?: ModuleIdentitySpecIotEdge;
  /**
   * Other trust domains whose bundles the module gets on the Workload API, to accept their modules as peers. Each needs a
   * TrustBundle of that trust domain.
   */
  readonly federatesWith: readonly string[];
  /**
   * How the identity reaches the module. Volume: files in the identity volume. Socket: the SPIFFE Workload API on
   * spiffe.sock in that volume, named by SPIFFE_ENDPOINT_SOCKET. Secret: a Secret of type kubernetes.io/tls, for
   * modules that mount one.
   */
  readonly delivery: readonly ('Volume' | 'Socket' | 'Secret')[];
  /** Name of the Secret; left out, the name of the ModuleIdentity. Only with Secret in delivery. */
  readonly secretName?: string;
}

/** The EdgeModule of this namespace that the identity is for. It cannot be changed later. */
export interface ModuleIdentitySpecModuleRef {
  /** Name of the EdgeModule. */
  readonly name: string;
}

/** The X.509-SVID. */
export interface ModuleIdentitySpecX509 {
  /** Lifetime of each certificate as a Go duration, 1m to 2160h; the EdgeDevice's maxLeafLifetime limits it further. */
  readonly duration: string;
  /** Share of the lifetime after which the certificate is renewed, in percent. */
  readonly renewAtPercent: number;
  /**
   * DNS names in the certificate. They must lie under the module's own <name>.<namespace>[.svc[.cluster.local]]
   * or under one of the EdgeDevice's dnsSuffixes.
   */
  readonly dnsNames: readonly string[];
}

/** JWT-SVIDs that the module may fetch on the Workload API. Left out, it gets none. Needs Socket in delivery. */
export interface ModuleIdentitySpecToken {
  /** Audiences that tokens may be asked for, exactly as the receivers name themselves; '*' alone allows any. */
  readonly audiences: readonly string[];
  /** Lifetime of each token as a Go duration, 10s to 24h; the EdgeDevice's tokens.maxLifetime limits it further. */
  readonly duration: string;
}

/** The private key of the certificate. */
export interface ModuleIdentitySpecKey {
  /**
   * Where it is made and stays. Memory: a new one for each certificate, which lies with the certificate in the
   * module's volume, socket or Secret. Hardware: a key pair in the token of each node, which cannot leave it: the
   * module uses it through the Notary API and gets no tls.key.
   */
  readonly residency: 'Memory' | 'Hardware';
  /**
   * Age at which a key in hardware is replaced by a new one and destroyed, as a Go duration, 1m to 87600h. Left out,
   * it stays until the ModuleIdentity is deleted.
   */
  readonly rotation?: string;
}

/**
 * What the module may ask of the Notary API on spiffe.sock, beyond reading its identity. Left out, nothing. Needs Socket
 * in delivery.
 */
export interface ModuleIdentitySpecNotary {
  /** Whether its key signs what the module brings. Goes with key.residency Hardware. */
  readonly sign: boolean;
  /**
   * Whether it may encrypt and decrypt with a key of its own, which derives from the node's master secret: what was
   * encrypted can be decrypted on the same node by an identity of the same namespace and name.
   */
  readonly encrypt: boolean;
  /** Whether it may have keys certified that it makes itself, by certification requests for this identity's names. */
  readonly issue: boolean;
}

/**
 * The module as an Azure IoT Hub knows it. Given, the identity volume also holds workload.sock, the IoT Edge Workload
 * API, and modules that Keystead deploys find it by the IOTEDGE_ variables. Needs Volume or Socket in delivery.
 */
export interface ModuleIdentitySpecIotEdge {
  /** Host name of the IoT Hub, for example plant.azure-devices.net. */
  readonly hubHostName: string;
  /**
   * Name of the Service of the IoT Edge hub that the module connects to, as in the hub's server certificate. Only
   * modules whose id begins with '$' (IoT Edge's own) need none.
   */
  readonly gatewayHostName?: string;
  /** Id of the device in the hub; left out, the name of the pod's node. */
  readonly deviceId?: string;
  /** Id of the module in the hub, for example $edgeHub; left out, the name of this ModuleIdentity. */
  readonly moduleId?: string;
  /**
   * The hub's generation id of the module; left out, the UID of this ModuleIdentity. Keys and ciphertexts are of one
   * generation.
   */
  readonly generationId?: string;
  /**
   * Secret of this namespace with the keys that the hub made, in base64 as the hub shows them: primary, secondary, or
   * both. Each node takes them into its root of trust when it mounts the module's volume. Left out, the keys derive
   * from the node's master secret. An entry encryption may hold the key with which IoT Edge has encrypted for the
   * module before (iotedge_master_encryption_id, 32 or 16 octets in base64): what it encrypted is decrypted still.
   */
  readonly keysSecretName?: string;
}

/** What was issued, and who holds it; written by the agents and the controller. */
export interface ModuleIdentityStatus {
  /** Generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /**
   * Conditions of the identity: Ready sums up the others; Issued tells that every attested process has a
   * certificate; Delivered that each lies where its module reads it.
   */
  readonly conditions?: readonly Condition[];
  /** SPIFFE ID that the certificates carry. */
  readonly spiffeId?: string;
  /** When the next of the holders' certificates is renewed. */
  readonly renewalTime?: string;
  /** When the first of the holders' certificates ends. */
  readonly notAfter?: string;
  /**
   * Name of the Secret that the controller made for the identity, noted before it is made. The spec may have
   * come to name another while no controller ran: by this the former is removed.
   */
  readonly secretName?: string;
  /** The pods whose process was judged, and the certificate that each holds. */
  readonly holders?: readonly ModuleIdentityStatusHolder[];
}

/** A pod and the verdict on it; written by the agent of its node. */
export interface ModuleIdentityStatusHolder {
  /** UID of the pod; for a host module, a UUID of module and node. */
  readonly podUid: string;
  /** Name of the pod; for a host module, node/ and the node's name. */
  readonly pod: string;
  /** Node of the pod. */
  readonly node: string;
  /** Name of the container that was measured; for a host module, its systemd unit. */
  readonly container?: string;
  /** The runtime's identifier of the container; for a host module, pid and start time of its first process. */
  readonly containerId?: string;
  /** Digest of the image that was found, as sha256:<64 hexadecimal digits>. */
  readonly imageDigest?: string;
  /** The executable of the measured process. */
  readonly executable?: ModuleIdentityStatusHolderExecutable;
  /** Process id on the node. */
  readonly pid?: number;
  /** Allowed: the pod holds the identity. Denied: it was refused it, or it was taken away. Ended: its process is gone. */
  readonly verdict: 'Allowed' | 'Denied' | 'Ended';
  /** Why, as one CamelCase word. */
  readonly reason?: string;
  /** Why, for people. */
  readonly message?: string;
  /** What was executed in the container from outside, as kubectl exec does. Its identity is gone until it restarts. */
  readonly opened?: string;
  /** When this verdict was first reached. */
  readonly since: string;
  /** Serial number of the certificate in hexadecimal digits. */
  readonly serial?: string;
  /** Start of the certificate's validity. */
  readonly notBefore?: string;
  /** End of the certificate's validity. */
  readonly notAfter?: string;
  /** When the certificate is renewed. */
  readonly renewalTime?: string;
  /** The private key of the certificate. */
  readonly key?: ModuleIdentityStatusHolderKey;
  /** UID of the EdgeDevice under which the certificate was issued. Another one withdraws it. */
  readonly deviceUid?: string;
  /** How many certificates this pod has been given; the files in the volume carry the same number. */
  readonly revision?: number;
}

/** The executable of the measured process. */
export interface ModuleIdentityStatusHolderExecutable {
  /** Path inside the container. */
  readonly path: string;
  /** SHA-256 of the file, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The private key of the certificate. */
export interface ModuleIdentityStatusHolderKey {
  /** Where it is, as in spec.key. */
  readonly residency: 'Memory' | 'Hardware';
  /** RFC 7512 URI of a key in hardware. */
  readonly uri?: string;
  /** Counts the identity's keys in the node's token, from 1; each rotation makes the next. */
  readonly generation?: number;
}
