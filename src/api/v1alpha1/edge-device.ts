// SPDX-License-Identifier: Apache-2.0
// Generated from crds/ by `npm run generate`; changes made here are lost.
import type { Condition } from '../conditions.ts';
import type { ObjectMeta } from '../object-meta.ts';

/**
 * EdgeDevice describes one node: the hardware that its keys are rooted in and the certificate authority that
 * its modules' identities are issued from. Its name is the name of the node.
 */
export interface EdgeDevice {
  readonly apiVersion: 'keystead.dev/v1alpha1';
  readonly kind: 'EdgeDevice';
  readonly metadata: ObjectMeta;
  /** What the node's root of trust and issuer shall be. */
  readonly spec: EdgeDeviceSpec;
  /** What the node's agent has found and done; written by that agent alone. */
  readonly status?: EdgeDeviceStatus;
}

/** What the node's root of trust and issuer shall be. */
export interface EdgeDeviceSpec {
  /**
   * SPIFFE trust domain that the node's modules belong to, for example edge.example.org. It cannot be changed
   * later, since every identity that was issued carries it.
   */
  readonly trustDomain: string;
  /** Where the node's keys are made and kept; exactly one member is set. */
  readonly rootOfTrust: EdgeDeviceSpecRootOfTrust;
  /** How the node gets the certificate that it issues its modules' identities from. */
  readonly issuer: EdgeDeviceSpecIssuer;
  /** JWT-SVIDs of the node's modules, signed by a key of their own in the token. */
  readonly tokens: EdgeDeviceSpecTokens;
}

/** Where the node's keys are made and kept; exactly one member is set. */
export interface EdgeDeviceSpecRootOfTrust {
  /**
   * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
   * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial and slot.
   */
  readonly pkcs11?: EdgeDeviceSpecRootOfTrustPkcs11;
  /**
   * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
   * storage key. Give at most one of device and socket.
   */
  readonly tpm?: EdgeDeviceSpecRootOfTrustTpm;
}

/**
 * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
 * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial and slot.
 */
export interface EdgeDeviceSpecRootOfTrustPkcs11 {
  /**
   * Absolute path of the PKCS#11 library inside the notary's container, for example
   * /usr/lib/softhsm/libsofthsm2.so.
   */
  readonly library: string;
  /** Label of the token, without the blanks that PKCS#11 fills it up with. */
  readonly tokenLabel?: string;
  /** Serial number of the token, without the blanks that PKCS#11 fills it up with; quote it where it is all digits. */
  readonly tokenSerial?: string;
  /**
   * Identifier of the slot that holds the token. Prefer tokenLabel or tokenSerial: some libraries number
   * their slots anew at each start.
   */
  readonly slot?: number;
  /**
   * Absolute path, inside the notary's container, of the file that holds the user PIN. The chart puts the
   * PIN's Secret there.
   */
  readonly pinFile: string;
}

/**
 * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
 * storage key. Give at most one of device and socket.
 */
export interface EdgeDeviceSpecRootOfTrustTpm {
  /**
   * Absolute path of the TPM's device node inside the notary's container; /dev/tpmrm0 unless device or socket
   * is set. The chart's tpm.device puts it there.
   */
  readonly device?: string;
  /** Absolute path of the unix socket of a software TPM (swtpm), inside the notary's container. */
  readonly socket?: string;
  /**
   * Absolute path, inside the notary's container, of the file with the owner hierarchy's authorisation value.
   * Without it that value is empty.
   */
  readonly ownerAuthFile?: string;
  /**
   * Absolute path, inside the notary's container, of the file with the endorsement hierarchy's authorisation value.
   * Without it that value is empty.
   */
  readonly endorsementAuthFile?: string;
  /**
   * Absolute path, inside the notary's container, of the file with the authorisation value of the keys that are made.
   * Without it that value is empty.
   */
  readonly keyAuthFile?: string;
  /**
   * Persistent handle of the storage key, 0x81000000 to 0x817fffff. Where it is free Keystead makes the key;
   * what lies there already is used where it is a storage key, and never replaced.
   */
  readonly storageHandle: string;
}

/** How the node gets the certificate that it issues its modules' identities from. */
export interface EdgeDeviceSpecIssuer {
  /**
   * The node makes a key in its token and signs its own certificate authority with it. A TrustBundle joins
   * the authorities of all nodes.
   */
  readonly selfSigned?: EdgeDeviceSpecIssuerSelfSigned;
  /**
   * Longest lifetime of a module's certificate as a Go duration, 1m to 2160h. The notary refuses to issue
   * a longer one.
   */
  readonly maxLeafLifetime: string;
  /**
   * DNS suffixes that a module may ask names under, beside those of its own Service, which are
   * <name>.<namespace>, <name>.<namespace>.svc and <name>.<namespace>.svc.cluster.local.
   */
  readonly dnsSuffixes: readonly string[];
}

/**
 * The node makes a key in its token and signs its own certificate authority with it. A TrustBundle joins
 * the authorities of all nodes.
 */
export interface EdgeDeviceSpecIssuerSelfSigned {
  /** Algorithm and curve of the issuing key. */
  readonly keyAlgorithm: 'EC-P256' | 'EC-P384';
  /**
   * Lifetime of the issuing certificate as a Go duration, 10m to 87600h. It must be at least twice
   * maxLeafLifetime, so that the next one can be made known before this one ends.
   */
  readonly lifetime: string;
}

/** JWT-SVIDs of the node's modules, signed by a key of their own in the token. */
export interface EdgeDeviceSpecTokens {
  /**
   * How long one key signs as a Go duration, 10m to 8760h. The next key is published before it signs, the former
   * until its last token has ended.
   */
  readonly keyLifetime: string;
  /**
   * Longest lifetime of a token as a Go duration, 10s to 24h. The notary refuses to issue a longer one. It must be
   * at most half of keyLifetime.
   */
  readonly maxLifetime: string;
}

/** What the node's agent has found and done; written by that agent alone. */
export interface EdgeDeviceStatus {
  /** Generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /**
   * Conditions of the device: Ready sums up the others; RootOfTrustReady tells that the token is open and fit;
   * IssuerReady that certificates can be issued; TokenKeyReady that tokens can be signed; ClockSynchronized that the node's clock agrees with the API server's.
   */
  readonly conditions?: readonly Condition[];
  /** Versions of what runs on the node. */
  readonly platform?: EdgeDeviceStatusPlatform;
  /** The token that the notary has opened. */
  readonly token?: EdgeDeviceStatusToken;
  /** The issuing key and certificate in use. */
  readonly issuer?: EdgeDeviceStatusIssuer;
  /** Keys that verify the JWT-SVIDs of this node: the one that signs, the next, and former ones whose tokens still live. */
  readonly tokenKeys?: readonly EdgeDeviceStatusTokenKey[];
  /** The API server's clock minus the node's, in seconds; positive where the node is behind. */
  readonly clockSkewSeconds?: number;
}

/** Versions of what runs on the node. */
export interface EdgeDeviceStatusPlatform {
  /** Version of the agent. */
  readonly agentVersion?: string;
  /** Version of the notary. */
  readonly notaryVersion?: string;
  /** Release of the Linux kernel. */
  readonly kernel?: string;
  /** Architecture of the processor as Go names it, for example arm64. */
  readonly architecture?: string;
  /** Name and version of the container runtime, for example containerd 2.4.0. */
  readonly containerRuntime?: string;
  /**
   * How the agent learns of container starts. Nri: each start is held until the module's identity lies in its
   * volume. TaskEvents: the identity follows within milliseconds after the start.
   */
  readonly containerStarts?: 'Nri' | 'TaskEvents';
}

/** The token that the notary has opened. */
export interface EdgeDeviceStatusToken {
  /** Kind of root of trust: PKCS11 or TPM. */
  readonly kind?: string;
  /** Label of the token. */
  readonly label?: string;
  /** Serial number of the token. */
  readonly serial?: string;
  /** Manufacturer of the token. */
  readonly manufacturer?: string;
  /** Model of the token. */
  readonly model?: string;
  /** Description and version of the library that reaches the token. */
  readonly library?: string;
}

/** The issuing key and certificate in use. */
export interface EdgeDeviceStatusIssuer {
  /** Algorithm and curve of the issuing key. */
  readonly algorithm?: 'EC-P256' | 'EC-P384';
  /** PKCS#11 URI (RFC 7512) of the issuing key, without PIN. */
  readonly keyURI?: string;
  /** Whether the token says that the key's value is never shown in clear. */
  readonly sensitive?: boolean;
  /** Whether the token says that the key can leave it; must be false. */
  readonly extractable?: boolean;
  /** PEM of the issuing certificate and those above it. */
  readonly chain?: string;
  /** PEM of the trust anchors that peers of this node's modules must know, former ones still in use included. */
  readonly anchors?: string;
  /** SHA-256 of the issuing certificate in DER, 64 hexadecimal digits. */
  readonly fingerprint?: string;
  /** Start of the issuing certificate's validity. */
  readonly notBefore?: string;
  /** End of the issuing certificate's validity. */
  readonly notAfter?: string;
}

/** A P-256 key for ES256. */
export interface EdgeDeviceStatusTokenKey {
  /** SHA-256 thumbprint of the JWK (RFC 7638), the kid of tokens. */
  readonly keyID: string;
  /** Whether the key signs now, will sign next, or has signed. */
  readonly state: 'Current' | 'Next' | 'Former';
  /** When a current key stops to sign, a next one begins to, and a former one is forgotten. */
  readonly until?: string;
  /** First coordinate, base64url (RFC 7518, section 6.2.1.2). */
  readonly x: string;
  /** Second coordinate, base64url. */
  readonly y: string;
  /** PKCS#11 URI (RFC 7512) of the current key, without PIN. */
  readonly keyURI?: string;
  /** Whether the token says that the key's value is never shown in clear. */
  readonly sensitive?: boolean;
  /** Whether the token says that the key can leave it; must be false. */
  readonly extractable?: boolean;
}
