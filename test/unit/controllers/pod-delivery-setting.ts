// SPDX-License-Identifier: Apache-2.0
import { PodDelivery, type PodDeliveryPorts } from '../../../controllers/pod-delivery.ts';
import type { Credentials, PublishedVolume } from '../../../src/deliver/port.ts';
import type { KeysteadError } from '../../../src/errors.ts';
import type { Issued, Refusal } from '../../../src/identity/holding.ts';
import type { Wanted } from '../../../src/issue/credentials.ts';
import { aContainer, anIdentity, aPod } from '../../fakes/agent.ts';
import type { Made } from '../workload/credentials.ts';

export const HOUR = 3_600_000;
export const ID = 'spiffe://edge.example/ns/shop/module/till';

/**
 * Delivery over fakes that write down what is done. The volume holds what `held` gives; wanted is a certificate for ID of
 * `made`'s authority.
 */
export function deliverySetting(made: Made, held?: Credentials) {
  const volume: PublishedVolume = {
    volumeId: 'v',
    targetPath: '/t',
    podUid: 'pod-1',
    podNamespace: 'shop',
    podName: 'p',
    attributes: { identity: 'till' },
  };
  const state = {
    now: Date.now(),
    volumes: [volume],
    credentials: held,
    wanted: { spiffeId: ID, dnsNames: [], lifetimeSeconds: 86_400, issuer: made.authority } as Wanted | Refusal,
    failure: undefined as KeysteadError | undefined,
    renewIn: HOUR,
    lost: false,
    /** Of what is issued. */
    chain: 'c',
    done: [] as string[],
    served: new Map<string, Credentials>(),
  };
  const ports: PodDeliveryPorts = {
    clock: { now: () => state.now },
    volumes: {
      list: () => state.volumes,
      readCredentials: () => state.credentials,
      writeCredentials: ({ volumeId }, _credentials, { uid }) => void state.done.push(`write ${volumeId} for ${uid}`),
      withdraw: ({ volumeId }) => {
        state.done.push(`withdraw ${volumeId}`);
        return true;
      },
    },
    secrets: {
      write: () => state.done.push('write secret'),
      withdraw: () => state.done.push('withdraw secret'),
    },
    sockets: {
      current: (_podUid, identity) => state.served.get(identity),
      put: (_podUid, identity, credentials) => {
        state.done.push(`serve ${identity}`);
        state.served.set(identity, credentials);
      },
      withdraw: (_podUid, identity) => {
        if (state.served.delete(identity)) state.done.push(`unserve ${identity}`);
      },
      retain: (_podUid, identities) => {
        for (const name of state.served.keys()) if (!identities.includes(name)) state.served.delete(name);
      },
    },
    isLost: () => state.lost,
    revocation: {
      revoke: ({ identity, cause }) => state.done.push(`revoke ${identity} ${cause}`),
      settled: () => Promise.resolve(),
    },
    obtain: ({ key }) => {
      state.done.push(key ? `issue for key ${key.generation}` : 'issue');
      if (state.failure) return Promise.reject(state.failure);
      const certificate = { chain: [], serial: 'ff', notBefore: state.now, notAfter: state.now + 2 * HOUR };
      const credentials = key
        ? { chain: 'c', heldKey: { name: key, uri: 'pkcs11:x' } }
        : { privateKey: 'k', chain: state.chain };
      return Promise.resolve({ credentials, certificate });
    },
    wanted: () => state.wanted,
    renewalTime: () => state.now + state.renewIn,
  };
  const holder = {
    pod: aPod(),
    module: 'till',
    container: aContainer(),
    identities: [anIdentity()],
    issued: new Map<string, Issued>(),
  };
  return { state, holder, delivery: new PodDelivery(ports) };
}
