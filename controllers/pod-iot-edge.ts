// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { Credentials } from '../src/deliver/port.ts';
import { KeysteadError } from '../src/errors.ts';
import { mayPass, type Holding, type Refusal } from '../src/identity/holding.ts';
import { hubModuleOf } from '../src/identity/hub-module.ts';
import { modulesOf } from '../src/identity/module-match.ts';
import { moduleRun } from '../src/identity/module-run.ts';
import { identityTerms } from '../src/identity/terms.ts';
import type { Wanted } from '../src/issue/credentials.ts';
import type { HubCipherRequest, HubKeyId, HubNotary } from '../src/notary/hub-port.ts';
import type { CertificateRequest, IssuedCertificate, Requester } from '../src/notary/port.ts';
import type { HubCertificate, HubModule, IotEdgePorts, ListedModule } from '../src/workload/iotedge/port.ts';
import type { Caller } from '../src/workload/port.ts';

export interface PodIotEdgePorts {
  readonly notary: Pick<HubNotary, 'hubSign' | 'hubEncrypt' | 'hubDecrypt'>;
  /** This node's pods, by uid. */
  pod(uid: string): Pod | undefined;
  /** This node's pods of a namespace. */
  pods(namespace: string): readonly Pod[];
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  /** By `namespace/name`. */
  identity(key: string): ModuleIdentity | undefined;
  holding(podUid: string): Holding | undefined;
  /** What the identity's certificates may say on this node; a refusal where it may not have any. */
  wanted(identity: ModuleIdentity): Wanted | Refusal;
  /** Makes a key and has it certified. */
  obtain(
    request: Omit<CertificateRequest, 'publicKey'>,
  ): Promise<{ credentials: Credentials; certificate: IssuedCertificate }>;
  bundle(): string;
}

/** What the IoT Edge Workload API gives an attested caller: what its ModuleIdentities grant, and no more. */
export class PodIotEdge implements IotEdgePorts {
  readonly #ports: PodIotEdgePorts;

  constructor(ports: PodIotEdgePorts) {
    this.#ports = ports;
  }

  modules({ podUid }: Caller): readonly HubModule[] {
    const holding = this.#holding(podUid);
    const offered = holding.identities.flatMap((name) => this.#ports.identity(`${holding.namespace}/${name}`) ?? []);
    const modules = offered.flatMap((identity) => hubModuleOf(identity) ?? []);
    const granted = modules.filter(({ identity }) => !lasting(holding.refused.get(identity)));
    const [refused] = modules.flatMap(({ identity }) => lasting(holding.refused.get(identity)) ?? []);
    if (granted.length === 0 && refused) throw denied(refused);
    return granted;
  }

  sign(caller: Caller, module: HubModule, keyId: HubKeyId, data: Buffer): Promise<Buffer> {
    const { identity: _, keys: source, ...name } = module;
    const requester = this.#requester(caller, module);
    return this.#ports.notary.hubSign({ module: name, keyId, source, data, requester });
  }

  encrypt(caller: Caller, module: HubModule, iv: Buffer, plaintext: Buffer): Promise<Buffer> {
    return this.#ports.notary.hubEncrypt(this.#cipher(caller, module, iv, plaintext));
  }

  decrypt(caller: Caller, module: HubModule, iv: Buffer, ciphertext: Buffer): Promise<Buffer> {
    return this.#ports.notary.hubDecrypt(this.#cipher(caller, module, iv, ciphertext));
  }

  /** Of the names that the identity was granted for all its certificates, the one asked for. */
  async serverCertificate(caller: Caller, module: HubModule, commonName: string): Promise<HubCertificate> {
    const wanted = this.#wanted(module);
    const name = commonName.toLowerCase();
    if (wanted.dnsNames.includes(name)) return this.#certificate(caller, module, { ...wanted, dnsNames: [name] });
    const expected = wanted.dnsNames.join(' or ') || 'no name at all';
    const found = JSON.stringify(commonName.slice(0, 128));
    const message = `DnsNameNotGranted: expected ${expected}, from x509.dnsNames of ModuleIdentity ${module.identity}, found ${found}`;
    throw new KeysteadError('PermissionDenied', message);
  }

  async identityCertificate(caller: Caller, module: HubModule): Promise<HubCertificate> {
    return this.#certificate(caller, module, { ...this.#wanted(module), dnsNames: [] });
  }

  bundle(): string {
    return this.#ports.bundle();
  }

  list({ podUid }: Caller): readonly ListedModule[] {
    const namespace = this.#ports.pod(podUid)?.metadata.namespace ?? '';
    return this.#ports.pods(namespace).flatMap((pod) => this.#listed(pod) ?? []);
  }

  #listed(pod: Pod): ListedModule | undefined {
    const { namespace, uid } = pod.metadata;
    const [module] = modulesOf(pod, this.#ports.modules(namespace));
    if (!module) return undefined;
    const { name = '' } = module.metadata;
    const [hubModule] = this.#ports.identities(namespace, name).flatMap((identity) => hubModuleOf(identity) ?? []);
    const holding = this.#ports.holding(uid);
    const { containers } = pod.spec;
    const container = containers.find((each) => each.name === module.spec.container) ?? containers[0];
    return {
      moduleId: hubModule?.moduleId ?? name,
      image: holding?.container?.image.reference ?? container?.image ?? '',
      run: moduleRun(pod, container?.name, holding),
    };
  }

  /** Throws Unavailable where nothing can be said yet, PermissionDenied where the pod holds nothing. */
  #holding(podUid: string): Holding {
    const holding = this.#ports.holding(podUid);
    if (!holding || holding.verdict === 'Ended') {
      throw new KeysteadError('Unavailable', 'this pod has not been judged yet; ask again');
    }
    // A module whose violations are only reported keeps what it has.
    if (holding.verdict === 'Denied' && holding.issued.size === 0) {
      throw denied(holding.refusal ?? { reason: 'Denied', message: 'The module process was refused.' });
    }
    return holding;
  }

  #wanted({ namespace, identity }: HubModule): Wanted {
    const found = this.#ports.identity(`${namespace}/${identity}`);
    if (!found) throw new KeysteadError('NotFound', `ModuleIdentity ${identity} was deleted`);
    if (found.spec.key.residency === 'Hardware') throw denied(keyStays(identity));
    const wanted = this.#ports.wanted(found);
    if (!('reason' in wanted)) return wanted;
    if (!wanted.passing) throw denied(wanted);
    throw new KeysteadError('Unavailable', `${wanted.reason}: ${wanted.message}`);
  }

  async #certificate(caller: Caller, module: HubModule, wanted: Wanted): Promise<HubCertificate> {
    const { spiffeId, dnsNames, lifetimeSeconds } = wanted;
    const requester = this.#requester(caller, module);
    const request = { spiffeId, dnsNames, lifetimeSeconds, requester, byModule: true };
    const { credentials, certificate } = await this.#ports.obtain(request);
    const { privateKey, chain } = credentials;
    if (privateKey === undefined) throw new KeysteadError('Internal', 'a certificate came without its key');
    return { privateKey, chain, notAfter: certificate.notAfter };
  }

  #cipher(caller: Caller, module: HubModule, initializationVector: Buffer, text: Buffer): HubCipherRequest {
    const { namespace, moduleId, generationId } = module;
    const requester = this.#requester(caller, module);
    return { module: { namespace, moduleId, generationId }, initializationVector, text, requester };
  }

  #requester({ podUid, pid }: Caller, { namespace, identity }: HubModule): Requester {
    const found = this.#ports.identity(`${namespace}/${identity}`);
    const terms = found && identityTerms(found, this.#holding(podUid));
    if (!terms) throw new KeysteadError('Unavailable', 'this pod has not been judged yet; ask again');
    return { ...terms.requester, pid };
  }
}

/** IoT Edge's API hands out private keys with certificates. */
function keyStays(identity: string): Refusal {
  const message = `the key of ModuleIdentity ${identity} stays in the token (key.residency Hardware), and this API gives a private key with each certificate; use the Notary API, or set key.residency to Memory`;
  return { reason: 'KeyInHardware', message };
}

/** A refusal that time alone will not end. */
function lasting(refusal: Refusal | undefined): Refusal | undefined {
  return refusal && mayPass(refusal) ? undefined : refusal;
}

function denied({ reason, message }: Refusal): KeysteadError {
  return new KeysteadError('PermissionDenied', `${reason}: ${message}`);
}
