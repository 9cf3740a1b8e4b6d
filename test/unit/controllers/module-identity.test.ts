// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ModuleIdentities } from '../../../controllers/module-identity.ts';
import type { Pod } from '../../../src/api/pod.ts';
import type {
  EdgeDevice,
  EdgeModule,
  ModuleIdentity,
  ModuleIdentityStatusHolder,
  TrustBundle,
} from '../../../src/api/v1alpha1/index.ts';
import { claimedNames } from '../../../src/identity/spiffe-claim.ts';
import type { IdentitySummary } from '../../../src/identity/status.ts';
import type { KubeObject } from '../../../src/kube/resource.ts';
import type { Finding } from '../../../src/module/status.ts';
import { aModule, anIdentity, aPod } from '../../fakes/declared.ts';
import { FakeCache } from '../../fakes/cluster.ts';

const device = { metadata: { name: 'edge-1' }, spec: { trustDomain: 'edge.example.org' } } as EdgeDevice;
const allowed: ModuleIdentityStatusHolder = {
  podUid: 'uid-a',
  pod: 'a',
  node: 'edge-1',
  verdict: 'Allowed',
  since: '2026-06-01T00:00:00Z',
  serial: '01',
  notAfter: '2026-06-01T02:00:00Z',
  renewalTime: '2026-06-01T01:00:00Z',
};

let written: IdentitySummary | undefined;
let pruned: string[];
let secret: Finding | undefined;
let identities: FakeCache<ModuleIdentity>;
let modules: FakeCache<EdgeModule>;
let pods: FakeCache<Pod & KubeObject>;
let devices: FakeCache<EdgeDevice>;
let reconciler: ModuleIdentities;

beforeEach(() => {
  [written, secret, pruned] = [undefined, undefined, []];
  identities = new FakeCache<ModuleIdentity>([], { claim: claimedNames });
  modules = new FakeCache<EdgeModule>([{ ...aModule('web'), status: { desired: 1 } }]);
  pods = new FakeCache([aPod('a', {}), aPod('b', {})], { uid: ({ metadata }) => [metadata.uid] });
  devices = new FakeCache([device]);
  const apply = (_: unknown, __: unknown, { fieldManager }: { fieldManager: string }): Promise<unknown> =>
    Promise.resolve(pruned.push(fieldManager));
  reconciler = new ModuleIdentities({
    clock: { now: () => Date.parse('2026-06-01T00:00:00Z') },
    client: { apply: apply as never },
    status: {
      latest: (object) => object,
      write: (_, status) => Promise.resolve(void (written = status)),
      forget: () => undefined,
    },
    secret: { ensure: () => Promise.resolve(secret), forget: () => undefined },
    identities,
    modules,
    pods,
    devices,
    nodes: new FakeCache([{ metadata: { name: 'edge-1' } }]),
    bundles: new FakeCache<TrustBundle>(),
  });
});

async function conditions(identity: ModuleIdentity = anIdentity('web')): Promise<Record<string, string>> {
  identities.put(identity);
  await reconciler.reconcile('ns/web');
  return Object.fromEntries(written!.conditions!.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

const held = (...holders: ModuleIdentityStatusHolder[]): ModuleIdentity => ({
  ...anIdentity('web'),
  status: { holders },
});

describe('an identity', () => {
  it('is ready when the pods that should run hold a certificate', async () => {
    expect(await conditions(held(allowed))).toEqual({
      Ready: 'True Ready',
      Issued: 'True Issued',
      Delivered: 'True Delivered',
    });
    expect(written).toMatchObject({
      spiffeId: 'spiffe://edge.example.org/ns/ns/module/web',
      notAfter: '2026-06-01T02:00:00Z',
      renewalTime: '2026-06-01T01:00:00Z',
    });
  });

  it('shows the earliest of its times', async () => {
    const later = {
      ...allowed,
      podUid: 'uid-b',
      pod: 'b',
      notAfter: '2026-06-01T03:00:00Z',
      renewalTime: '2026-06-01T00:30:00Z',
    };
    await conditions(held(later, allowed));
    expect(written).toMatchObject({ notAfter: '2026-06-01T02:00:00Z', renewalTime: '2026-06-01T00:30:00Z' });
  });

  it('does not count a holder whose pod is gone', async () => {
    expect(await conditions(held({ ...allowed, podUid: 'uid-gone' }))).toMatchObject({ Issued: 'False NoHolder' });
  });

  it('names why a pod is denied, but stays ready beside a stranger who is', async () => {
    const denied: ModuleIdentityStatusHolder = {
      ...allowed,
      podUid: 'uid-b',
      pod: 'b',
      verdict: 'Denied',
      reason: 'PinRejected',
    };
    expect(await conditions(held(denied))).toMatchObject({ Ready: 'False PinRejected', Issued: 'False PinRejected' });
    expect(await conditions(held(allowed, denied))).toMatchObject({ Ready: 'True Ready' });
  });

  it('is not delivered before its Secret is filled, and looks again soon', async () => {
    secret = { status: 'False', reason: 'SecretEmpty', message: '' };
    expect(await conditions(held(allowed))).toMatchObject({ Issued: 'True Issued', Delivered: 'False SecretEmpty' });
    expect((await reconciler.reconcile('ns/web')).requeueAfterMs).toBe(5000);
    secret = { status: 'True', reason: 'SecretFilled', message: '' };
    expect(await conditions(held(allowed))).toMatchObject({ Delivered: 'True Delivered' });
  });

  it.each([
    ['ModuleNotFound', () => modules.remove('ns/web')],
    ['DeviceMissing', () => devices.remove('edge-1')],
    [
      'IdentityTaken',
      () => {
        const spiffeId = 'spiffe://edge.example.org/ns/ns/module/web';
        identities.put(anIdentity('elder', { spiffeId }, { creationTimestamp: '2025-01-01T00:00:00Z' }));
      },
    ],
  ])('is refused with reason %s', async (reason, arrange) => {
    arrange();
    const expected = `False ${reason}`;
    expect(await conditions(held(allowed))).toEqual({ Ready: expected, Issued: expected, Delivered: expected });
    expect(written).not.toHaveProperty('spiffeId');
  });

  it('loses the entries of agents whose node is gone, in their name', async () => {
    await conditions(held(allowed, { ...allowed, podUid: 'uid-b', node: 'lost' }));
    expect(pruned).toEqual(['keystead-agent-lost']);
  });
});
