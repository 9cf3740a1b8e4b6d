// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { PodNotary } from '../../../controllers/pod-notary.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import { Notary } from '../../../src/gen/keystead/notary/v1alpha1/notary_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import type { Holding } from '../../../src/identity/holding.ts';
import { identityTerms } from '../../../src/identity/terms.ts';
import { obtainCredentials, obtainForHeldKey, type Wanted } from '../../../src/issue/credentials.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { createLogger } from '../../../src/log.ts';
import type { Standing } from '../../../src/workload/port.ts';
import { ServedCredentials } from '../../../src/workload/served-credentials.ts';
import { standingOf } from '../../../src/workload/standing.ts';
import { WorkloadApi } from '../../../src/workload/workload-api.ts';
import { aContainer, anIdentity } from '../../fakes/agent.ts';
import { atEnd, Setting, TOKEN } from './setting.ts';

const incarnations = new Incarnations();

const POD = 'pod-1';
const VERDICT = { allowed: true, module: {}, table: [] } as unknown as Verdict;
const HEADERS = { 'workload.spiffe.io': 'true' };

/** The Notary API on a socket, before a notary process with a SoftHSM2 token; the test is the module that calls. */
export class NotaryApiStand {
  readonly setting = new Setting();
  readonly folder = mkdtempSync('/dev/shm/keystead-notary-api-');
  readonly identities = new Map<string, ModuleIdentity>();
  readonly served = new ServedCredentials((podUid) => this.#api.changed(podUid));
  verdict: Verdict = VERDICT;
  refused: Standing | undefined;
  readonly client: GrpcClient;
  readonly #api: WorkloadApi;
  anchors = '';

  private constructor(first: string | undefined) {
    const trust = () => ({ own: { anchors: this.anchors, keys: [] }, foreign: new Map() });
    this.#api = new WorkloadApi({
      held: new HeldSockets(),
      log: createLogger('test', 'fatal'),
      socket: 'spiffe.sock',
      identityAttribute: 'identity',
      notary: new PodNotary({
        notary: this.setting.notary.client,
        identity: (key) => this.identities.get(key.replace('factory/', '')),
        holding: () => this.#holding(),
        wanted: (identity) => this.wanted(identity.metadata.name ?? ''),
      }),
      incarnationOf: (process) => incarnations.of(process),
      ports: {
        trust,
        terms: (_podUid, name) => {
          const identity = this.identities.get(name);
          return identity && identityTerms(identity, this.#holding());
        },
        issueToken: (request) => this.setting.notary.client.issueToken(request),
        standing: (podUid) => this.refused ?? standingOf(this.#holding(), this.served.list(podUid)),
        judge: () => Promise.resolve(this.verdict),
      },
    });
    const attributes = first === undefined ? {} : { identity: first };
    const volume = { volumeId: 'v', targetPath: this.folder, podUid: POD, podNamespace: 'factory', podName: 'p' };
    this.#api.open({ ...volume, attributes });
    this.client = new GrpcClient(`${this.folder}/spiffe.sock`, { headers: HEADERS });
    atEnd(() => {
      this.client.close();
      this.#api.stop();
      rmSync(this.folder, { recursive: true });
    });
  }

  static async open(first?: string): Promise<NotaryApiStand> {
    const stand = new NotaryApiStand(first);
    stand.setting.hsm.makeToken(TOKEN);
    stand.setting.notary.start();
    const { issuer } = await stand.setting.notary.client.configure(stand.setting.configuration());
    stand.anchors = issuer!.anchors;
    return stand;
  }

  wanted(name: string): Wanted {
    const spiffeId = `spiffe://edge.example/ns/factory/module/${name}`;
    return { spiffeId, dnsNames: [`${name}.factory.svc`], lifetimeSeconds: 600, issuer: this.anchors };
  }

  /** Declares an identity and has its certificate issued, as delivery does. */
  async hold(name: string, spec: Partial<ModuleIdentity['spec']>, generation = 1): Promise<void> {
    const identity = anIdentity({ moduleRef: { name: 'press' }, federatesWith: [], ...spec }, name);
    this.identities.set(name, identity);
    const { client } = this.setting.notary;
    const { requester } = identityTerms(identity, this.#holding())!;
    const request = { ...this.wanted(name), requester };
    const key = { identityUid: identity.metadata.uid!, generation };
    const inToken = identity.spec.key.residency === 'Hardware';
    const { credentials } = await (inToken
      ? obtainForHeldKey(client, { ...request, key })
      : obtainCredentials(client, request));
    this.served.put(POD, name, credentials);
  }

  withdraw(name: string): void {
    this.served.withdraw(POD, name);
  }

  /** The rules are looked at again, as after another verdict. */
  judgeAnew(): void {
    this.#api.judgedAnew(POD);
  }

  watch() {
    return this.client.serverStream(Notary.method.watch, {});
  }

  #holding(): Holding {
    return {
      podUid: POD,
      namespace: 'factory',
      pod: 'press-0',
      verdict: 'Allowed',
      since: 0,
      container: aContainer(),
      identities: [...this.identities.keys()],
      issued: new Map(),
      refused: new Map(),
    };
  }
}
