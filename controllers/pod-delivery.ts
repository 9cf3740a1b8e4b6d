// SPDX-License-Identifier: Apache-2.0
import { IDENTITY_ATTRIBUTE } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { ContainerEvidence } from '../src/attest/port.ts';
import type { Credentials, KeyedCredentials, PublishedVolume, Volumes } from '../src/deliver/port.ts';
import { asKeysteadError } from '../src/errors.ts';
import {
  imageDigest,
  issuedBefore,
  secretName,
  type Issued,
  type Refusal,
  type Withdrawal,
} from '../src/identity/holding.ts';
import {
  deviceOf,
  fittingBefore,
  isOfDevice,
  keptOf,
  lacksSecret,
  withHeldKey,
} from '../src/identity/issued-before.ts';
import { isStandIn, undeliverable } from '../src/identity/host-module.ts';
import { sameKey } from '../src/identity/module-key.ts';
import { fitting, type Wanted } from '../src/issue/credentials.ts';
import type { ModuleKeyName } from '../src/notary/key-port.ts';
import type { CertificateRequest, IssuedCertificate } from '../src/notary/port.ts';
import type { RevokeRequest } from '../src/notary/revocation-port.ts';
import type { Clock } from '../src/os/clock.ts';

export interface PodDeliveryPorts {
  readonly clock: Clock;
  readonly volumes: Pick<Volumes, 'list' | 'readCredentials' | 'writeCredentials' | 'withdraw'>;
  readonly secrets: SecretDelivery;
  readonly sockets: SocketDelivery;
  readonly revocation: RevocationDelivery;
  /** Makes a key, in the token where `key` names one, and has it certified. */
  obtain(
    request: Omit<CertificateRequest, 'publicKey'> & { readonly key?: ModuleKeyName },
  ): Promise<{ credentials: Credentials; certificate: IssuedCertificate }>;
  /** Whether a key is known to be gone from the token, though a certificate for it is held. */
  isLost(key: ModuleKeyName): boolean;
  /** What the identity's certificates must say on this node; a refusal where it may not have it. */
  wanted(identity: ModuleIdentity): Wanted | Refusal;
  renewalTime(
    certificate: Pick<IssuedCertificate, 'serial' | 'notBefore' | 'notAfter'>,
    identity: ModuleIdentity,
  ): number;
}

/**
 * Secrets of ModuleIdentities with `Secret` delivery. Both return at once and are carried out in the background,
 * again and again until the API server has taken them: a held container start must not wait for it.
 */
export interface SecretDelivery {
  write(identity: ModuleIdentity, pod: Pod, credentials: KeyedCredentials): void;
  /** Empties the Secret where it holds what was issued to this pod. */
  withdraw(identity: ModuleIdentity, podUid: string): void;
}

/** Makes what was taken back worth nothing to who has a copy. */
export interface RevocationDelivery {
  /** Returns at once and is carried out in the background until it is done. */
  revoke(request: RevokeRequest): void;
  /** Resolves when nothing is left to be revoked of a pod, so that what is issued then is not meant. */
  settled(podUid: string): Promise<void>;
}

/** What the sockets of this node's pods serve, in memory. Every change reaches open streams at once. */
export interface SocketDelivery {
  current(podUid: string, identity: string): Credentials | undefined;
  put(podUid: string, identity: string, credentials: Credentials): void;
  withdraw(podUid: string, identity: string): void;
  /** Takes back all identities of the pod but these. */
  retain(podUid: string, identities: readonly string[]): void;
}

/** Who gets it: the attested container of a pod. */
export interface Holder {
  readonly pod: Pod;
  readonly module: string;
  readonly container: ContainerEvidence;
  readonly pid?: number;
  /** All identities that the pod's module asks for. */
  readonly identities: readonly ModuleIdentity[];
  /**
   * What the same container was issued before, by identity; undefined where all of it was taken back, of which the status may
   * speak a while longer.
   */
  readonly issued: ReadonlyMap<string, Issued> | undefined;
}

/** Puts credentials where an attested module finds them, renews them in time, and takes them back. */
export class PodDelivery {
  readonly #ports: PodDeliveryPorts;

  constructor(ports: PodDeliveryPorts) {
    this.#ports = ports;
  }

  #volumesFor(podUid: string, identity: ModuleIdentity): PublishedVolume[] {
    if (!byVolume(identity)) return [];
    return this.#ports.volumes.list().filter(({ podUid: uid, attributes }) => {
      const asked = attributes[IDENTITY_ATTRIBUTE];
      return uid === podUid && (asked === undefined || asked === identity.metadata.name);
    });
  }

  /** A volume that names no identity is clear only where the module has just one. */
  #ambiguous({ pod, identities }: Holder): Refusal | undefined {
    const offered = identities.filter(byVolume).map(({ metadata }) => metadata.name);
    const unnamed = this.#ports.volumes
      .list()
      .some(({ podUid, attributes }) => podUid === pod.metadata.uid && attributes[IDENTITY_ATTRIBUTE] === undefined);
    if (!unnamed || offered.length < 2) return undefined;
    const message = `The pod's volume names no identity, and its module has ${offered.join(', ')}: set volumeAttributes.${IDENTITY_ATTRIBUTE} to one of them.`;
    return { reason: 'IdentityAmbiguous', message };
  }

  #unreachable(identity: ModuleIdentity, { pod }: Holder): Refusal | undefined {
    const { uid, name } = pod.metadata;
    if (!isStandIn(name)) return undefined;
    return undeliverable(
      identity,
      this.#ports.volumes.list().some(({ podUid }) => podUid === uid),
    );
  }

  /**
   * Makes sure that the holder has a current certificate for the identity: keeps what fits, else issues once and
   * writes it everywhere. Returns a refusal, never throws, where it may not or cannot be issued.
   */
  async ensure(identity: ModuleIdentity, holder: Holder): Promise<Issued | Refusal> {
    const refusal = this.#ambiguous(holder) ?? this.#unreachable(identity, holder);
    const wanted = this.#unlessLeaving(holder, refusal ?? this.#ports.wanted(identity));
    const { uid } = holder.pod.metadata;
    const { issued } = holder;
    const before = issued && (issued.get(nameOf(identity)) ?? issuedBefore(identity, uid, holder.container.id));
    if ('reason' in wanted) {
      if (wanted.passing) return this.#stillHeld(identity, uid, before) ?? wanted;
      this.withdraw(identity, uid);
      if (before) this.revoke(uid, { reason: 'privilegeWithdrawn', cause: wanted.reason }, nameOf(identity));
      return wanted;
    }
    // The device was deleted and made again before anybody saw that it was gone: what was issued under the former is void.
    if (before && !isOfDevice(before, wanted)) {
      this.withdraw(identity, uid);
      this.revoke(uid, DEVICE_REPLACED, nameOf(identity));
      return this.#renewed(identity, holder, wanted, before);
    }
    return this.#kept(identity, holder, wanted, before) ?? this.#renewed(identity, holder, wanted, before);
  }

  /** A new certificate; where there is none to be had just now, what is still good. */
  async #renewed(
    identity: ModuleIdentity,
    holder: Holder,
    wanted: Wanted,
    before: Issued | undefined,
  ): Promise<Issued | Refusal> {
    const { uid } = holder.pod.metadata;
    try {
      return await this.#issue(identity, holder, wanted, (before?.revision ?? 0) + 1);
    } catch (error) {
      if (before && this.#mayStay(before, wanted, this.#unserved(identity, uid))) return before;
      // A key in memory must not stay where one in the token is asked for.
      if (wanted.key) this.withdraw(identity, uid);
      const { code, message } = asKeysteadError(error);
      return { reason: code, message };
    }
  }

  /** What a pod that is being deleted has, it keeps until its process ends, unless it may not have it at all. */
  #unlessLeaving({ pod }: Holder, wanted: Wanted | Refusal): Wanted | Refusal {
    if (pod.metadata.deletionTimestamp === undefined || ('reason' in wanted && !wanted.passing)) return wanted;
    const message = 'The pod is being deleted: it keeps what it has until its process ends and gets nothing new.';
    return { reason: 'PodDeleting', message, passing: true };
  }

  /** What lies in each place of the pod where the identity is read, the Secret apart; undefined for an empty one. */
  #delivered(identity: ModuleIdentity, podUid: string, before: Issued | undefined): (Credentials | undefined)[] {
    const { volumes, sockets } = this.#ports;
    const lying = this.#volumesFor(podUid, identity)
      .map((volume) => volumes.readCredentials(volume))
      .map((found) => found && withHeldKey(found, before));
    if (!bySocket(identity)) return lying;
    // After a restart of the agent the volume remembers what the socket served.
    if (lying[0] && this.#unserved(identity, podUid)) sockets.put(podUid, nameOf(identity), lying[0]);
    return [...lying, sockets.current(podUid, nameOf(identity))];
  }

  /** Whether the socket should serve the identity and has nothing. */
  #unserved(identity: ModuleIdentity, podUid: string): boolean {
    return bySocket(identity) && !this.#ports.sockets.current(podUid, nameOf(identity));
  }

  /** What was issued before, where it is still valid and still lies where it was put. */
  #stillHeld(identity: ModuleIdentity, podUid: string, before: Issued | undefined): Issued | undefined {
    if (!before || before.notAfter <= this.#ports.clock.now()) return undefined;
    return this.#delivered(identity, podUid, before).every((credentials) => credentials) ? before : undefined;
  }

  /** What was issued before stays when nothing new can be issued, unless its key is of the wrong kind or gone. */
  #mayStay(before: Issued, wanted: Wanted, unserved: boolean): boolean {
    const { notAfter, heldKey } = before;
    const { key } = wanted;
    const sameResidency = (heldKey === undefined) === (key === undefined);
    const lost = heldKey !== undefined && this.#ports.isLost(heldKey.name);
    return notAfter > this.#ports.clock.now() && sameResidency && !lost && !unserved && isOfDevice(before, wanted);
  }

  #kept(identity: ModuleIdentity, holder: Holder, wanted: Wanted, before: Issued | undefined): Issued | undefined {
    const found = this.#delivered(identity, holder.pod.metadata.uid, before).map((credentials) =>
      credentials && this.#isForKey(credentials, wanted) ? fitting(credentials.chain, wanted) : undefined,
    );
    const [first] = found;
    const secretOnly = found.length === 0;
    const certificate = secretOnly ? fittingBefore(before, wanted) : first;
    if (!certificate || found.some((each) => each?.serial !== first?.serial)) return undefined;
    if (lacksSecret(identity, wanted, before)) return undefined;
    const renewalTime = this.#ports.renewalTime(certificate, identity);
    const now = this.#ports.clock.now();
    // Made while the clock was ahead, it is good for nobody yet.
    if (now >= renewalTime || now < certificate.notBefore) return undefined;
    return { ...keptOf(certificate, before, wanted), renewalTime };
  }

  /** A key in the token must be the one that the identity has now, and be there. */
  #isForKey({ privateKey, heldKey }: Credentials, { key }: Wanted): boolean {
    if (!key) return privateKey !== undefined;
    return privateKey === undefined && heldKey !== undefined && sameKey(heldKey.name, key) && !this.#ports.isLost(key);
  }

  async #issue(identity: ModuleIdentity, holder: Holder, wanted: Wanted, revision: number): Promise<Issued> {
    const { pod, container, module, pid } = holder;
    await this.#ports.revocation.settled(pod.metadata.uid);
    const { credentials, certificate } = await this.#ports.obtain({
      spiffeId: wanted.spiffeId,
      dnsNames: wanted.dnsNames,
      lifetimeSeconds: wanted.lifetimeSeconds,
      ...(wanted.key && { key: wanted.key }),
      requester: {
        module: `${pod.metadata.namespace}/${module}`,
        identity: identity.metadata.name ?? '',
        pod: pod.metadata.name,
        podUid: pod.metadata.uid,
        container: container.id,
        imageDigest: imageDigest(container),
        ...(pid !== undefined && { pid }),
      },
    });
    for (const volume of this.#volumesFor(pod.metadata.uid, identity)) {
      this.#ports.volumes.writeCredentials(volume, credentials, { uid: container.uid, gid: container.gid });
    }
    if (bySocket(identity)) this.#ports.sockets.put(pod.metadata.uid, nameOf(identity), credentials);
    const secret = identity.spec.delivery.includes('Secret') && isKeyed(credentials) ? credentials : undefined;
    if (secret) this.#ports.secrets.write(identity, pod, secret);
    const { serial, notBefore, notAfter } = certificate;
    const renewalTime = this.#ports.renewalTime(certificate, identity);
    const { heldKey } = credentials;
    return {
      ...{ serial, notBefore, notAfter, renewalTime, revision, ...deviceOf(wanted) },
      ...(heldKey && { heldKey }),
      ...(secret && { chain: secret.chain }),
      secret: (secret && secretName(identity)) ?? '',
    };
  }

  /** Takes back what a pod has of an identity. The trust bundle stays. */
  withdraw(identity: ModuleIdentity, podUid: string): void {
    for (const volume of this.#volumesFor(podUid, identity)) this.#ports.volumes.withdraw(volume);
    this.#ports.sockets.withdraw(podUid, nameOf(identity));
    if (identity.spec.delivery.includes('Secret')) this.#ports.secrets.withdraw(identity, podUid);
  }

  /** Revokes what a pod was issued, for one identity or for all. */
  revoke(podUid: string, withdrawal: Withdrawal, identity?: string): void {
    this.#ports.revocation.revoke({ podUid, ...(identity !== undefined && { identity }), ...withdrawal });
  }

  /** Empties the volumes and sockets of a pod of what no identity of its module puts there any more. */
  withdrawUnclaimed(podUid: string, identities: readonly ModuleIdentity[]): void {
    this.#ports.sockets.retain(podUid, identities.filter(bySocket).map(nameOf));
    const claimed = identities.flatMap((identity) => this.#volumesFor(podUid, identity));
    const kept = new Set(claimed.map(({ volumeId }) => volumeId));
    for (const volume of this.#ports.volumes.list()) {
      if (volume.podUid === podUid && !kept.has(volume.volumeId)) this.#ports.volumes.withdraw(volume);
    }
  }

  /** Empties every volume and socket of a pod, whatever identity it was for. */
  withdrawVolumes(podUid: string): void {
    this.#ports.sockets.retain(podUid, []);
    for (const volume of this.#ports.volumes.list()) if (volume.podUid === podUid) this.#ports.volumes.withdraw(volume);
  }
}

const DEVICE_REPLACED: Withdrawal = { reason: 'privilegeWithdrawn', cause: 'DeviceReplaced' };

const isKeyed = (credentials: Credentials): credentials is KeyedCredentials => credentials.privateKey !== undefined;
const nameOf = ({ metadata }: ModuleIdentity): string => metadata.name ?? '';
const bySocket = ({ spec }: ModuleIdentity): boolean => spec.delivery.includes('Socket');
const byVolume = ({ spec }: ModuleIdentity): boolean => spec.delivery.includes('Volume');
