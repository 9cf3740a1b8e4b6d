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
  /**
   * What the node's agent has found and done, written by that agent alone but for integrity and the condition
   * IntegrityVerified, which are the controller's.
   */
  readonly status?: EdgeDeviceStatus;
}

/** What the node's root of trust and issuer shall be. */
export interface EdgeDeviceSpec {
  /**
   * SPIFFE trust domain that the node's modules belong to, for example edge.example.org. It cannot be changed
   * later, since every identity that was issued carries it.
   */
  readonly trustDomain: string;
  /** Where the node's keys are made and kept; exactly one of pkcs11, tpm and software is set. */
  readonly rootOfTrust: EdgeDeviceSpecRootOfTrust;
  /** How the node gets the certificate that it issues its modules' identities from. */
  readonly issuer: EdgeDeviceSpecIssuer;
  /** The secret that module keys derive from; it never leaves the root of trust. */
  readonly masterSecret: EdgeDeviceSpecMasterSecret;
  /** JWT-SVIDs of the node's modules, signed by a key of their own in the token. */
  readonly tokens: EdgeDeviceSpecTokens;
  /**
   * Has the controller challenge the node's TPM for a quote of its boot measurements and compare them with the values
   * expected. The condition IntegrityVerified says the result.
   */
  readonly measuredBoot?: EdgeDeviceSpecMeasuredBoot;
}

/** Where the node's keys are made and kept; exactly one of pkcs11, tpm and software is set. */
export interface EdgeDeviceSpecRootOfTrust {
  /**
   * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
   * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial, slot and uri.
   */
  readonly pkcs11?: EdgeDeviceSpecRootOfTrustPkcs11;
  /**
   * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
   * storage key. Give at most one of device and socket.
   */
  readonly tpm?: EdgeDeviceSpecRootOfTrustTpm;
  /**
   * SOFTWARE keys: files in the notary's state folder, encrypted under a passphrase. Whoever is root on the node,
   * or has its disk and the passphrase, has the keys: they prove nothing about the device. For nodes with
   * neither token nor TPM; never taken unless it is written here.
   */
  readonly software?: EdgeDeviceSpecRootOfTrustSoftware;
  /**
   * Another place for the keys of modules (their key pairs, the master secret that others derive from, keys that
   * a hub brought), beside that of the node's own keys. Without it all lie in one.
   */
  readonly modules?: EdgeDeviceSpecRootOfTrustModules;
}

/**
 * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
 * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial, slot and uri.
 */
export interface EdgeDeviceSpecRootOfTrustPkcs11 {
  /**
   * Absolute path of the PKCS#11 library inside the notary's container, for example
   * /usr/lib/softhsm/libsofthsm2.so. It may stand in the uri instead, as module-path.
   */
  readonly library?: string;
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
   * PKCS#11 URI (RFC 7512) that names the token by token, serial, manufacturer, model and slot-id, all of which
   * must match. For example pkcs11:token=device;serial=5f2e8a6c?module-path=/opt/pkcs11/libvendor.so&pin-source=file:/etc/pin
   * has module-path for the library and pin-source for the PIN file.
   */
  readonly uri?: string;
  /** Whether the PIN is sealed by the TPM of measuredBoot.tpm, to the programs of notary and agent, once the token has accepted it. From then on the PIN file is needed only after the programs have changed. */
  readonly sealPin?: boolean;
  /**
   * Absolute path, inside the notary's container, of the file that holds the user PIN; /etc/keystead/pin/pin,
   * where the chart puts the PIN's Secret, unless told here or by the uri's pin-source.
   */
  readonly pinFile?: string;
}

/**
 * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
 * storage key. Give at most one of device and socket.
 */
export interface EdgeDeviceSpecRootOfTrustTpm {
  /**
   * Absolute path of the TPM's device node; /dev/tpmrm0 unless device or socket
   * is set. The agent relays the one that the chart's tpm.device names; another must be in the notary's container.
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

/**
 * SOFTWARE keys: files in the notary's state folder, encrypted under a passphrase. Whoever is root on the node,
 * or has its disk and the passphrase, has the keys: they prove nothing about the device. For nodes with
 * neither token nor TPM; never taken unless it is written here.
 */
export interface EdgeDeviceSpecRootOfTrustSoftware {
  /**
   * Absolute path, inside the notary's container, of the file with the passphrase. The chart puts the PIN's
   * Secret there.
   */
  readonly passphraseFile: string;
}

/**
 * Another place for the keys of modules (their key pairs, the master secret that others derive from, keys that
 * a hub brought), beside that of the node's own keys. Without it all lie in one.
 */
export interface EdgeDeviceSpecRootOfTrustModules {
  /**
   * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
   * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial, slot and uri.
   */
  readonly pkcs11?: EdgeDeviceSpecRootOfTrustModulesPkcs11;
  /**
   * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
   * storage key. Give at most one of device and socket.
   */
  readonly tpm?: EdgeDeviceSpecRootOfTrustModulesTpm;
  /**
   * SOFTWARE keys: files in the notary's state folder, encrypted under a passphrase. Whoever is root on the node,
   * or has its disk and the passphrase, has the keys: they prove nothing about the device. For nodes with
   * neither token nor TPM; never taken unless it is written here.
   */
  readonly software?: EdgeDeviceSpecRootOfTrustModulesSoftware;
}

/**
 * A token that is reached through a PKCS#11 library: an HSM, a secure element, a smart card, a TPM behind
 * tpm2-pkcs11, or SoftHSM. Name the token by exactly one of tokenLabel, tokenSerial, slot and uri.
 */
export interface EdgeDeviceSpecRootOfTrustModulesPkcs11 {
  /**
   * Absolute path of the PKCS#11 library inside the notary's container, for example
   * /usr/lib/softhsm/libsofthsm2.so. It may stand in the uri instead, as module-path.
   */
  readonly library?: string;
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
   * PKCS#11 URI (RFC 7512) that names the token by token, serial, manufacturer, model and slot-id, all of which
   * must match. For example pkcs11:token=device;serial=5f2e8a6c?module-path=/opt/pkcs11/libvendor.so&pin-source=file:/etc/pin
   * has module-path for the library and pin-source for the PIN file.
   */
  readonly uri?: string;
  /** Whether the PIN is sealed by the TPM of measuredBoot.tpm, to the programs of notary and agent, once the token has accepted it. From then on the PIN file is needed only after the programs have changed. */
  readonly sealPin?: boolean;
  /**
   * Absolute path, inside the notary's container, of the file that holds the user PIN; /etc/keystead/pin/pin,
   * where the chart puts the PIN's Secret, unless told here or by the uri's pin-source.
   */
  readonly pinFile?: string;
}

/**
 * A TPM 2.0, spoken to directly. Its keys lie in the notary's state folder, each encrypted by the TPM's own
 * storage key. Give at most one of device and socket.
 */
export interface EdgeDeviceSpecRootOfTrustModulesTpm {
  /**
   * Absolute path of the TPM's device node; /dev/tpmrm0 unless device or socket
   * is set. The agent relays the one that the chart's tpm.device names; another must be in the notary's container.
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

/**
 * SOFTWARE keys: files in the notary's state folder, encrypted under a passphrase. Whoever is root on the node,
 * or has its disk and the passphrase, has the keys: they prove nothing about the device. For nodes with
 * neither token nor TPM; never taken unless it is written here.
 */
export interface EdgeDeviceSpecRootOfTrustModulesSoftware {
  /**
   * Absolute path, inside the notary's container, of the file with the passphrase. The chart puts the PIN's
   * Secret there.
   */
  readonly passphraseFile: string;
}

/** How the node gets the certificate that it issues its modules' identities from. */
export interface EdgeDeviceSpecIssuer {
  /**
   * The node makes a key in its token and signs its own certificate authority with it. A TrustBundle joins
   * the authorities of all nodes.
   */
  readonly selfSigned?: EdgeDeviceSpecIssuerSelfSigned;
  /**
   * A CA whose key was made in the node's PKCS#11 token beforehand and whose certificate an authority of yours has
   * signed. It is checked before it issues: the key fits the certificate and cannot leave the token, and the chain is
   * one that peers take. It does not renew itself: replace the certificates before they end.
   */
  readonly preloaded?: EdgeDeviceSpecIssuerPreloaded;
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
  /** Algorithm of the issuing key; RSA for tokens that have nothing else. */
  readonly keyAlgorithm: 'EC-P256' | 'EC-P384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';
  /**
   * An issuing key that was made before this time is followed by a new one, as at the end of its life: the next
   * one is made known first, then used, and the former one kept as long as anything depends on it. Set it to now to
   * rotate; a time to come is waited for.
   */
  readonly rotateBefore?: string;
  /**
   * Lifetime of the issuing certificate as a Go duration, 10m to 87600h. It must be at least twice
   * maxLeafLifetime, so that the next one can be made known before this one ends.
   */
  readonly lifetime: string;
}

/**
 * A CA whose key was made in the node's PKCS#11 token beforehand and whose certificate an authority of yours has
 * signed. It is checked before it issues: the key fits the certificate and cannot leave the token, and the chain is
 * one that peers take. It does not renew itself: replace the certificates before they end.
 */
export interface EdgeDeviceSpecIssuerPreloaded {
  /**
   * PKCS#11 URI (RFC 7512) of the private key, by object, id or both, for example
   * pkcs11:object=device-ca;id=%01. What it says of the token must fit rootOfTrust.
   */
  readonly keyURI: string;
  /** The CA's certificate and those above it up to the self-signed root, in this order, in PEM. */
  readonly certificates?: string;
  /**
   * Absolute path, inside the notary's container, of the file with the same. It is looked at again and again, so
   * that a renewed certificate is taken over. The chart's issuer.secretName puts a Secret at
   * /etc/keystead/issuer.
   */
  readonly certificatesFile?: string;
}

/** The secret that module keys derive from; it never leaves the root of trust. */
export interface EdgeDeviceSpecMasterSecret {
  /**
   * Which master secret is used at least; a higher number than before makes a new one. What was encrypted with a
   * former one is still decrypted; derived signing keys follow the new one, so that a hub has to be told them anew.
   */
  readonly version: number;
}

/** JWT-SVIDs of the node's modules, signed by a key of their own in the token. */
export interface EdgeDeviceSpecTokens {
  /**
   * A signing key that was made before this time is followed by a new one, as at the end of its life: the next
   * one is made known first, then used, and the former one kept as long as anything depends on it. Set it to now to
   * rotate; a time to come is waited for.
   */
  readonly rotateBefore?: string;
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

/**
 * Has the controller challenge the node's TPM for a quote of its boot measurements and compare them with the values
 * expected. The condition IntegrityVerified says the result.
 */
export interface EdgeDeviceSpecMeasuredBoot {
  /**
   * Report only sets the condition. Enforce also takes back what the node's modules hold and issues nothing until
   * there is a good quote.
   */
  readonly mode: 'Report' | 'Enforce';
  /** How often the TPM is challenged as a Go duration, 1m to 168h; after a reboot it is at once. */
  readonly interval: string;
  /** The TPM that attests where rootOfTrust is another one. Give at most one of device and socket. */
  readonly tpm?: EdgeDeviceSpecMeasuredBootTpm;
  /**
   * PCR into which the notary measures the program bundles of itself and of the agent before it uses a key: one that
   * no other software of the node extends.
   */
  readonly applicationPCR: number;
  /**
   * PCRs of the SHA-256 bank and the values that each may have; others are reported and not judged. Written by
   * keystead device learn, or by hand. More than one value lets an update of firmware or kernel pass.
   */
  readonly pcrs: readonly EdgeDeviceSpecMeasuredBootPcr[];
  /**
   * SHA-256 of the TPM's endorsement key (SubjectPublicKeyInfo), 64 hexadecimal digits in lower case: another TPM is
   * refused. Where it is not given, the first TPM that the controller has seen on the node is the one.
   */
  readonly endorsementKey?: string;
  /**
   * PEM of certificates of TPM makers, roots or intermediates: the endorsement key's certificate must lead to one of
   * them. Without it any TPM counts that endorsementKey names.
   */
  readonly endorsementRoots?: string;
  /**
   * When the values were taken from the node. Another time has the controller forget what it remembers of the TPM
   * (reset count, and the endorsement key unless it is given here) and take its present state for the right one.
   */
  readonly learned?: string;
}

/** The TPM that attests where rootOfTrust is another one. Give at most one of device and socket. */
export interface EdgeDeviceSpecMeasuredBootTpm {
  /**
   * Absolute path of the TPM's device node; /dev/tpmrm0 unless device or socket
   * is set. The agent relays the one that the chart's tpm.device names; another must be in the notary's container.
   */
  readonly device?: string;
  /** Absolute path of the unix socket of a software TPM (swtpm), inside the notary's container. */
  readonly socket?: string;
  /**
   * Absolute path, inside the notary's container, of the file with the endorsement hierarchy's authorisation value.
   * Without it that value is empty.
   */
  readonly endorsementAuthFile?: string;
}

/** One PCR. */
export interface EdgeDeviceSpecMeasuredBootPcr {
  /** Number of the PCR, 0 to 23. */
  readonly index: number;
  /** Values that it may have, each 64 hexadecimal digits in lower case. */
  readonly sha256: readonly string[];
}

/**
 * What the node's agent has found and done, written by that agent alone but for integrity and the condition
 * IntegrityVerified, which are the controller's.
 */
export interface EdgeDeviceStatus {
  /** Generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /**
   * Conditions of the device: Ready sums up the others; RootOfTrustReady tells that the token is open and fit;
   * IssuerReady that certificates can be issued; TokenKeyReady that tokens can be signed; IntegrityVerified that the node booted what it should; ClockSynchronized that the node's clock agrees with the API server's.
   */
  readonly conditions?: readonly Condition[];
  /** Versions of what runs on the node. */
  readonly platform?: EdgeDeviceStatusPlatform;
  /** The token that the notary has opened. */
  readonly token?: EdgeDeviceStatusToken;
  /** The token with the keys of modules, where rootOfTrust.modules names one of its own. */
  readonly moduleToken?: EdgeDeviceStatusModuleToken;
  /** The issuing key and certificate in use. */
  readonly issuer?: EdgeDeviceStatusIssuer;
  /** Keys that verify the JWT-SVIDs of this node: the one that signs, the next, and former ones whose tokens still live. */
  readonly tokenKeys?: readonly EdgeDeviceStatusTokenKey[];
  /** What the node's TPM says of itself, as the agent passes it on. The controller believes none of it unproven. */
  readonly attester?: EdgeDeviceStatusAttester;
  /** The controller's challenge to the node's TPM and what it has proven; written by the controller alone. */
  readonly integrity?: EdgeDeviceStatusIntegrity;
  /** What this node has revoked and not yet ended. */
  readonly revocation?: EdgeDeviceStatusRevocation;
  /** How many keys the node has; keys shows the first of them. */
  readonly keyCount?: number;
  /** The node's keys: its own first, then those of modules, used last first. The first 128 of them. */
  readonly keys?: readonly EdgeDeviceStatusKey[];
  /** The API server's clock minus the node's, in seconds; positive where the node is behind. */
  readonly clockSkewSeconds?: number;
}

/** Versions of what runs on the node. */
export interface EdgeDeviceStatusPlatform {
  /** Version of the agent. */
  readonly agentVersion?: string;
  /** Version of the notary. */
  readonly notaryVersion?: string;
  /** SHA-256 of the agent's program bundle, as it says itself. */
  readonly agentProgram?: string;
  /** SHA-256 of the notary's program bundle, as it says itself. */
  readonly notaryProgram?: string;
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
  /** Kind of root of trust: PKCS11, TPM or Software. */
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

/** The token with the keys of modules, where rootOfTrust.modules names one of its own. */
export interface EdgeDeviceStatusModuleToken {
  /** Kind of root of trust: PKCS11, TPM or Software. */
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
  /** Algorithm of the issuing key. */
  readonly algorithm?: 'EC-P256' | 'EC-P384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';
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

/** What the node's TPM says of itself, as the agent passes it on. The controller believes none of it unproven. */
export interface EdgeDeviceStatusAttester {
  /** The kernel's own identifier of this boot (random/boot_id). */
  readonly bootID: string;
  /** TPMT_PUBLIC of the endorsement key, base64. */
  readonly endorsementKey?: string;
  /** The maker's certificate of the endorsement key, DER in base64. */
  readonly endorsementCertificate?: string;
  /** TPMT_PUBLIC of the attestation key, base64. */
  readonly attestationKey?: string;
  /** Why the TPM cannot be used. */
  readonly failure?: EdgeDeviceStatusAttesterFailure;
  /** Answer to the last challenge. */
  readonly answer?: EdgeDeviceStatusAttesterAnswer;
}

/** Why the TPM cannot be used. */
export interface EdgeDeviceStatusAttesterFailure {
  /** Error code as one CamelCase word. */
  readonly reason: string;
  /** What was found and what to do. */
  readonly message: string;
}

/** Answer to the last challenge. */
export interface EdgeDeviceStatusAttesterAnswer {
  /** Which challenge it answers. */
  readonly nonce: string;
  /** What TPM2_ActivateCredential gave for the challenge's credential, base64. */
  readonly secret?: string;
  /** TPMS_ATTEST of the quote, base64, as the TPM gave it. */
  readonly attest?: string;
  /** TPMT_SIGNATURE over it, base64. */
  readonly signature?: string;
  /** Values of the PCRs that the quote is over. */
  readonly pcrs?: readonly EdgeDeviceStatusAttesterAnswerPcr[];
  /** Why there is no quote. */
  readonly failure?: EdgeDeviceStatusAttesterAnswerFailure;
}

/** One PCR of the SHA-256 bank. */
export interface EdgeDeviceStatusAttesterAnswerPcr {
  /** Number of the PCR. */
  readonly index: number;
  /** Its value, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Why there is no quote. */
export interface EdgeDeviceStatusAttesterAnswerFailure {
  /** Error code as one CamelCase word. */
  readonly reason: string;
  /** What was found and what to do. */
  readonly message: string;
}

/** The controller's challenge to the node's TPM and what it has proven; written by the controller alone. */
export interface EdgeDeviceStatusIntegrity {
  /** The last challenge. */
  readonly challenge?: EdgeDeviceStatusIntegrityChallenge;
  /** When the TPM was judged last, well or not. */
  readonly checked?: string;
  /** Identifier of the boot that was judged. */
  readonly bootID?: string;
  /** What the last good quote proved. */
  readonly verified?: EdgeDeviceStatusIntegrityVerified;
  /** SHA-256 of the endorsement key (SubjectPublicKeyInfo) of the TPM that made the last authentic quote. */
  readonly endorsementKey?: string;
  /** Values that the last authentic quote proved, whether they are the expected ones or not. */
  readonly pcrs?: readonly EdgeDeviceStatusIntegrityPcr[];
}

/** The last challenge. */
export interface EdgeDeviceStatusIntegrityChallenge {
  /** Random octets that the quote must hold, base64; each is good for one answer. */
  readonly nonce: string;
  /** When it was made. */
  readonly time: string;
  /** PCRs of the SHA-256 bank to quote. */
  readonly pcrs: readonly number[];
  /** TPMS_ID_OBJECT for endorsement key and attestation key, base64. */
  readonly credential: string;
  /** TPM2B_ENCRYPTED_SECRET without its length, base64. */
  readonly encryptedSecret: string;
}

/** What the last good quote proved. */
export interface EdgeDeviceStatusIntegrityVerified {
  /** When it was verified. */
  readonly time: string;
  /** Identifier of the boot during which it was made, as the agent says. */
  readonly bootID: string;
  /** Starts of the TPM. */
  readonly resetCount: number;
  /** Resumes of the TPM since its last start. */
  readonly restartCount: number;
  /** SHA-256 of the endorsement key (SubjectPublicKeyInfo). */
  readonly endorsementKey: string;
  /** Subject of the trusted certificate that vouches for the endorsement key. */
  readonly certifiedBy?: string;
  /** Name of the attestation key, hexadecimal; proven to live in the TPM of the endorsement key. */
  readonly attestationKey: string;
  /** The spec's time of learning at that moment. */
  readonly learned?: string;
}

/** One PCR of the SHA-256 bank. */
export interface EdgeDeviceStatusIntegrityPcr {
  /** Number of the PCR. */
  readonly index: number;
  /** Its value, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** What this node has revoked and not yet ended. */
export interface EdgeDeviceStatusRevocation {
  /** CRL number of the list that was signed last (RFC 5280, section 5.2.3). */
  readonly number?: number;
  /** Certificates on the node's lists. */
  readonly count?: number;
  /** Until when the first of the lists to end is good; it is replaced each day. */
  readonly nextUpdate?: string;
  /** PEM of the lists of all CAs of this node that are still trust anchors. */
  readonly crl?: string;
  /** Revoked JWT-SVIDs that have not ended. */
  readonly tokens?: readonly EdgeDeviceStatusRevocationToken[];
  /** Why what was revoked last is not on a signed list yet. */
  readonly failure?: string;
}

/** A revoked token. */
export interface EdgeDeviceStatusRevocationToken {
  /** Its identifier, the claim jti. */
  readonly jti: string;
  /** Its end. */
  readonly until: string;
  /** When it was revoked; told, as the reason, of the 64 newest. */
  readonly revokedAt?: string;
  /** Why, as the CRLReason of certificates says it (RFC 5280, section 5.3.1). */
  readonly reason?: 'keyCompromise' | 'superseded' | 'cessationOfOperation' | 'privilegeWithdrawn';
}

/** One key. */
export interface EdgeDeviceStatusKey {
  /** Where the key lives, PKCS#11 URI (RFC 7512) or tpm; software says that it is a file. */
  readonly uri: string;
  /**
   * What the key does. Issuer signs certificates and revocation lists, Token JWT-SVIDs, Device is the device's own
   * towards the cloud, Module is a module's, Hub came from a hub, others derive from Master.
   */
  readonly purpose: 'Issuer' | 'Token' | 'Device' | 'Module' | 'Master' | 'Hub' | 'Other';
  /** UID of the ModuleIdentity, or the hub's name of the module; the node's own where left out. */
  readonly owner?: string;
  /** Algorithm, for example EC-P256, HMAC or AES-256. */
  readonly algorithm: string;
  /** Whether the root of trust says that the key's value is never shown in clear. */
  readonly sensitive: boolean;
  /** Whether the root of trust says that the key can leave it. */
  readonly extractable: boolean;
  /** When the key was made; unknown where that was before this notary. */
  readonly created?: string;
  /** Hour in which the key was last used. */
  readonly lastUsed?: string;
}
