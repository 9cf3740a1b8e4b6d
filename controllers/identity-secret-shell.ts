// SPDX-License-Identifier: Apache-2.0
import {
  API_VERSION,
  CONTROLLER_MANAGER,
  HOLDER_ANNOTATION,
  IDENTITY_LABEL,
  SECRET_MANAGER,
} from '../src/api/names.ts';
import { moduleIdentities } from '../src/api/resources.ts';
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { secretName } from '../src/identity/holding.ts';
import { keyOf, secrets, type KubeClient, type ObjectName, type Secret } from '../src/kube/index.ts';
import type { Finding } from '../src/module/status.ts';

export interface IdentitySecretShellPorts {
  readonly client: Pick<KubeClient, 'find' | 'create' | 'apply' | 'delete'>;
}

interface Known {
  readonly uid: string;
  readonly trust: string;
}

/** What was last written into an identity's status. */
interface Noted {
  readonly identityUid: string | undefined;
  readonly name: string | undefined;
}

/**
 * Makes the Secret of an identity with `Secret` delivery, holding the trust bundle and no key, and keeps its bundle
 * current; the agent fills in key and certificate. Only metadata is ever read, so that no key enters this process,
 * and no right to list Secrets is needed: the status of the identity tells which one was made, and is told before it is.
 */
export class IdentitySecretShell {
  readonly #ports: IdentitySecretShellPorts;
  readonly #known = new Map<string, Known>();
  /** The cache of identities may not have seen these yet. */
  readonly #noted = new Map<string, Noted>();

  constructor(ports: IdentitySecretShellPorts) {
    this.#ports = ports;
  }

  forget(key: string): void {
    this.#known.delete(key);
    this.#noted.delete(key);
  }

  /** `trust` is the bundle's PEM. Undefined where no Secret is asked for. Throws what is worth trying again. */
  async ensure(identity: ModuleIdentity, trust: string): Promise<Finding | undefined> {
    const { namespace } = identity.metadata;
    const name = secretName(identity);
    const made = this.#made(identity);
    if (made !== undefined && made !== name) await this.#removeFormer(identity, made);
    if (name === undefined) return undefined;
    const found = await this.#ports.client.find(secrets, { namespace, name }, { metadataOnly: true });
    if (found && !isOwned(found, identity)) return taken(name);
    if (trust === '') return no('TrustBundleEmpty', 'There is no trust anchor yet that the Secret could hold.');
    await this.#note(identity, name);
    if (!found) return this.#create(identity, { namespace, name }, trust);
    await this.#keepTrust(identity, found, trust);
    return filled(found, identity);
  }

  async #create(identity: ModuleIdentity, { namespace, name }: ObjectName, trust: string): Promise<Finding> {
    const secret: Secret = {
      metadata: {
        name,
        ...(namespace !== undefined && { namespace }),
        labels: { [IDENTITY_LABEL]: identity.metadata.name ?? '', 'app.kubernetes.io/managed-by': 'keystead' },
        ownerReferences: [
          {
            apiVersion: API_VERSION,
            kind: 'ModuleIdentity',
            name: identity.metadata.name ?? '',
            uid: identity.metadata.uid ?? '',
            controller: true,
            blockOwnerDeletion: false,
          },
        ],
      },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': '', 'tls.key': '' },
    };
    const options = { fieldManager: CONTROLLER_MANAGER, metadataOnly: true };
    const created = await this.#ports.client.create(secrets, secret, options);
    await this.#keepTrust(identity, created, trust);
    return filled(created, identity);
  }

  /** Applies `ca.crt` alone: key and certificate are the agent's fields. */
  async #keepTrust(identity: ModuleIdentity, { metadata = {} }: Secret, trust: string): Promise<void> {
    const { namespace, name = '', uid = '' } = metadata;
    const known = this.#known.get(keyOf(identity));
    if (known?.uid === uid && known.trust === trust) return;
    const change: Secret = {
      // With the uid, a Secret that was deleted meanwhile is not made anew without its type and owner.
      metadata: { name, uid, ...(namespace !== undefined && { namespace }) },
      data: { 'ca.crt': Buffer.from(trust).toString('base64') },
    };
    await this.#ports.client.apply(secrets, change, { fieldManager: CONTROLLER_MANAGER, metadataOnly: true });
    this.#known.set(keyOf(identity), { uid, trust });
  }

  /** Delivery was switched off or the Secret renamed, now or while no controller ran: what we made before goes. */
  async #removeFormer(identity: ModuleIdentity, name: string): Promise<void> {
    const { namespace } = identity.metadata;
    const found = await this.#ports.client.find(secrets, { namespace, name }, { metadataOnly: true });
    const uid = found?.metadata?.uid;
    if (found && uid !== undefined && isOwned(found, identity) && isMarked(found, identity)) {
      await this.#ports.client.delete(secrets, { namespace, name }, { uid });
    }
    await this.#note(identity, undefined);
  }

  #made(identity: ModuleIdentity): string | undefined {
    const noted = this.#noted.get(keyOf(identity));
    if (noted && noted.identityUid === identity.metadata.uid) return noted.name;
    return identity.status?.secretName;
  }

  /** Writes into the status which Secret is about to be made, or that there is none. */
  async #note(identity: ModuleIdentity, secretName: string | undefined): Promise<void> {
    if (this.#made(identity) === secretName) return;
    const { namespace, name, uid } = identity.metadata;
    const status = secretName === undefined ? {} : { secretName };
    const change = { metadata: { namespace, name, uid }, status } as unknown as ModuleIdentity;
    const options = { fieldManager: SECRET_MANAGER, subresource: 'status' as const };
    await this.#ports.client.apply(moduleIdentities, change, options);
    this.#noted.set(keyOf(identity), { identityUid: uid, name: secretName });
  }
}

/** An owner can be named by anybody, of a Secret that holds something else too. */
function isMarked({ metadata }: Secret, identity: ModuleIdentity): boolean {
  return metadata?.labels?.[IDENTITY_LABEL] === identity.metadata.name;
}

function isOwned({ metadata }: Secret, identity: ModuleIdentity): boolean {
  return metadata?.ownerReferences?.some(({ uid }) => uid === identity.metadata.uid) ?? false;
}

/** The agent notes in the Secret whose certificate lies in it. */
function filled({ metadata }: Secret, { status }: ModuleIdentity): Finding {
  const holder = metadata?.annotations?.[HOLDER_ANNOTATION];
  const current = status?.holders?.some(({ podUid, verdict }) => podUid === holder && verdict === 'Allowed') ?? false;
  if (current)
    return { status: 'True', reason: 'SecretFilled', message: `Secret ${metadata?.name ?? ''} holds the identity.` };
  return no(
    'SecretEmpty',
    `Secret ${metadata?.name ?? ''} holds the trust bundle; no attested pod's identity lies in it yet.`,
  );
}

function taken(name: string): Finding {
  return no(
    'SecretTaken',
    `A Secret ${name} exists that Keystead did not make for this identity. Delete it, or set spec.secretName to another name.`,
  );
}

function no(reason: string, message: string): Finding {
  return { status: 'False', reason, message };
}
