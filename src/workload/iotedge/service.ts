// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Callers } from '../callers.ts';
import { patiently } from '../patience.ts';
import type { Caller } from '../port.ts';
import { HttpFailure } from './http-failure.ts';
import { bytes, keyId, requireAlgorithm, text } from './parameters.ts';
import type { HubCertificate, HubModule, IotEdgePorts, ListedModule } from './port.ts';
import type { Claimed, Route } from './route.ts';

const OK = 200;
const CREATED = 201;

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request whose form is right, from whom, and for how long somebody waits for the answer. */
export interface Call {
  readonly caller: Caller;
  /** Undefined where there is none, or it is not JSON. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  readonly signal: AbortSignal;
}

export interface IotEdgeServiceParts {
  readonly callers: Pick<Callers, 'admit'>;
  readonly ports: IotEdgePorts;
  /** How long what may pass is waited for, milliseconds; of the default see `patiently`. */
  readonly patienceMs?: number;
}

type Work = (call: Call, module: HubModule) => Promise<Answer>;

/**
 * The IoT Edge Workload API, its answers apart from HTTP. Formats are those of Azure/iotedge, edgelet-http-workload; that
 * module id, generation, key id and algorithm are held against what the caller is goes beyond it.
 */
export class IotEdgeService {
  readonly #parts: IotEdgeServiceParts;
  readonly #works: Readonly<Partial<Record<Route['name'], Work>>> = {
    sign: (call, module) => this.#sign(call, module),
    encrypt: (call, module) => this.#encrypt(call, module),
    decrypt: (call, module) => this.#decrypt(call, module),
    serverCertificate: (call, module) => this.#serverCertificate(call, module),
    identityCertificate: async ({ caller }, module) =>
      certificateAnswer(await this.#parts.ports.identityCertificate(caller, module)),
  };

  constructor(parts: IotEdgeServiceParts) {
    this.#parts = parts;
  }

  /** Throws KeysteadError and HttpFailure. */
  answer(route: Route, call: Call): Promise<Answer> {
    const { patienceMs } = this.#parts;
    const patience = { signal: call.signal, ...(patienceMs !== undefined && { milliseconds: patienceMs }) };
    return patiently(() => this.#attempt(route, call), patience);
  }

  async #attempt(route: Route, call: Call): Promise<Answer> {
    const { ports, callers } = this.#parts;
    // Public, and the same as in the pod's files: handed out before attestation, as those are.
    if (route.name === 'trustBundle') return trustBundle(ports.bundle());
    if (route.name === 'manifestTrustBundle') return { status: OK, body: { certificate: '' } };
    await callers.admit(call.caller);
    if (route.name === 'modules') return { status: OK, body: { modules: ports.list(call.caller).map(listed) } };
    const work = this.#works[route.name];
    if (!work || !route.claimed) throw new KeysteadError('Internal', `route ${route.name} has nothing behind it`);
    const { claimed } = route;
    const own = (): HubModule => claimedModule(ports.modules(call.caller), claimed);
    const answer = await work(call, own());
    // What was issued while the pod was refused, after all else was revoked, nobody would revoke: it is given to nobody.
    own();
    return answer;
  }

  async #sign({ caller, body }: Call, module: HubModule): Promise<Answer> {
    const wanted = required(body);
    requireAlgorithm(wanted);
    const digest = await this.#parts.ports.sign(caller, module, keyId(wanted), bytes(wanted, 'data'));
    return { status: OK, body: { digest: digest.toString('base64') } };
  }

  async #encrypt({ caller, body }: Call, module: HubModule): Promise<Answer> {
    const wanted = required(body);
    const iv = bytes(wanted, 'initializationVector');
    const ciphertext = await this.#parts.ports.encrypt(caller, module, iv, bytes(wanted, 'plaintext'));
    return { status: OK, body: { ciphertext: ciphertext.toString('base64') } };
  }

  async #decrypt({ caller, body }: Call, module: HubModule): Promise<Answer> {
    const wanted = required(body);
    const iv = bytes(wanted, 'initializationVector');
    const plaintext = await this.#parts.ports.decrypt(caller, module, iv, bytes(wanted, 'ciphertext'));
    return { status: OK, body: { plaintext: plaintext.toString('base64') } };
  }

  async #serverCertificate({ caller, body }: Call, module: HubModule): Promise<Answer> {
    const commonName = text(required(body), 'commonName');
    return certificateAnswer(await this.#parts.ports.serverCertificate(caller, module, commonName));
  }
}

/** The caller's own module, if it is that which the path names. Throws PermissionDenied with the reason first. */
function claimedModule(modules: readonly HubModule[], { moduleId, generationId }: Claimed): HubModule {
  const found = modules.find((module) => module.moduleId === moduleId);
  if (!found) {
    const own = modules.map((module) => module.moduleId).join(' or ') || 'none';
    const expected = `ModuleMismatch: expected the caller's own module id, ${own}`;
    throw new KeysteadError('PermissionDenied', `${expected}, found ${JSON.stringify(moduleId.slice(0, 128))}`);
  }
  if (generationId !== undefined && generationId !== found.generationId) {
    const expected = `GenerationMismatch: expected ${found.generationId}, the generation id of ${moduleId}`;
    throw new KeysteadError('PermissionDenied', `${expected}, found ${JSON.stringify(generationId.slice(0, 128))}`);
  }
  return found;
}

function required(body: Call['body']): Readonly<Record<string, unknown>> {
  if (body) return body;
  throw new HttpFailure(400, 'missing request body');
}

function trustBundle(certificate: string): Answer {
  // An agent that has just started will know it in a moment.
  if (certificate === '') throw new KeysteadError('Unavailable', 'the trust bundle is not known yet; ask again');
  return { status: OK, body: { certificate } };
}

function certificateAnswer({ privateKey, chain, notAfter }: HubCertificate): Answer {
  return {
    status: CREATED,
    body: {
      privateKey: { type: 'key', bytes: privateKey },
      certificate: chain,
      // As chrono writes RFC 3339 for UTC.
      expiration: new Date(notAfter).toISOString().replace(/\.\d{3}Z$/, '+00:00'),
    },
  };
}

function listed({ moduleId, image, run: { status, startTime, exit } }: ListedModule): Record<string, unknown> {
  return {
    id: 'id',
    name: moduleId,
    type: 'docker',
    config: { settings: { image }, env: [] },
    status: {
      ...(startTime !== undefined && { startTime }),
      ...(exit && { exitStatus: { exitTime: exit.time, statusCode: String(exit.code) } }),
      runtimeStatus: { status },
    },
  };
}
