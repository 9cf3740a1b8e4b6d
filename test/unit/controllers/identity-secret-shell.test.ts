// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { IdentitySecretShell } from '../../../controllers/identity-secret-shell.ts';
import { CONTROLLER_MANAGER, SECRET_MANAGER } from '../../../src/api/names.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import type { KubeObject, ObjectName, Resource, Secret } from '../../../src/kube/index.ts';
import { anIdentity } from '../../fakes/agent.ts';

/** What the API server holds. */
let secrets: Map<string, Secret>;
let status: NonNullable<ModuleIdentity['status']>;
let calls: string[];
let failing: string | undefined;
let shell: IdentitySecretShell;

const call = (what: string): Promise<void> => {
  calls.push(what);
  const fails = failing !== undefined && what.startsWith(failing);
  return fails ? Promise.reject(new Error(`${what} failed`)) : Promise.resolve();
};
const nameIn = ({ metadata }: KubeObject): string => metadata?.name ?? '';

const client = {
  find: (_of: Resource, { name }: ObjectName, options: { metadataOnly?: boolean } = {}) => {
    expect(options).toEqual({ metadataOnly: true });
    return Promise.resolve(secrets.get(name));
  },
  create: async (_of: Resource, secret: Secret) => {
    await call(`create ${nameIn(secret)}`);
    secrets.set(nameIn(secret), { ...secret, metadata: { ...secret.metadata, uid: `uid of ${nameIn(secret)}` } });
    return secrets.get(nameIn(secret));
  },
  apply: async (of: Resource, object: KubeObject & { status?: object }, options: { fieldManager: string }) => {
    if (of.kind === 'Secret') {
      expect(options.fieldManager).toBe(CONTROLLER_MANAGER);
      return secrets.get(nameIn(object));
    }
    expect(options).toEqual({ fieldManager: SECRET_MANAGER, subresource: 'status' });
    await call(`note ${JSON.stringify(object.status)}`);
    status = { ...object.status };
    return object;
  },
  delete: async (_of: Resource, { name }: ObjectName, { uid }: { uid?: string }) => {
    await call(`delete ${name}`);
    expect(secrets.get(name)?.metadata?.uid).toBe(uid);
    return secrets.delete(name);
  },
};
/** A controller that starts knows nothing but what the API server tells. */
const start = (): IdentitySecretShell => new IdentitySecretShell({ client: client as never });

beforeEach(() => {
  secrets = new Map();
  status = {};
  calls = [];
  failing = undefined;
  shell = start();
});

const ensure = (spec: Partial<ModuleIdentity['spec']>, uid = 'i-till'): ReturnType<typeof shell.ensure> => {
  const identity = anIdentity(spec);
  return shell.ensure({ ...identity, metadata: { ...identity.metadata, uid }, status }, 'PEM');
};
const into = (secretName: string) => ({ delivery: ['Secret'], secretName }) as const;
const held = (): string[] => [...secrets.keys()];

describe('the Secret of an identity', () => {
  it('is noted in the status before it is made, and once', async () => {
    await ensure(into('first'));
    await ensure(into('first'));
    shell = start();
    await ensure(into('first'));
    expect(calls).toEqual(['note {"secretName":"first"}', 'create first']);
  });

  it('is made by the next controller where this one stopped after noting it', async () => {
    failing = 'create';
    await expect(ensure(into('first'))).rejects.toThrow('create first failed');
    failing = undefined;
    shell = start();
    await ensure(into('first'));
    expect(held()).toEqual(['first']);
  });

  it('is noted where it was made before such notes were', async () => {
    await ensure(into('first'));
    [status, shell] = [{}, start()];
    await ensure(into('first'));
    expect(status).toEqual({ secretName: 'first' });
    expect(calls.filter((each) => each.startsWith('create'))).toHaveLength(1);
  });
});

describe.each([
  ['while the controller runs', () => undefined],
  ['while no controller runs', () => void (shell = start())],
])('a change %s', (_when, meanwhile) => {
  it('of the name removes the former Secret', async () => {
    await ensure(into('first'));
    meanwhile();
    await ensure(into('second'));
    expect(held()).toEqual(['second']);
    expect(status).toEqual({ secretName: 'second' });
  });

  it('of the delivery removes the Secret, and a later one makes it anew', async () => {
    await ensure(into('first'));
    meanwhile();
    expect(await ensure({ delivery: ['Volume'] })).toBeUndefined();
    expect([held(), status]).toEqual([[], {}]);
    meanwhile();
    await ensure(into('first'));
    expect(held()).toEqual(['first']);
  });

  it('is tried again where the former cannot be removed yet', async () => {
    await ensure(into('first'));
    meanwhile();
    failing = 'delete';
    await expect(ensure(into('second'))).rejects.toThrow('delete first failed');
    expect(status).toEqual({ secretName: 'first' });
    failing = undefined;
    meanwhile();
    await ensure(into('second'));
    expect(held()).toEqual(['second']);
  });

  it.each<[string, NonNullable<Secret['metadata']>]>([
    ['without our label', { labels: {} }],
    ["with another identity's label", { labels: { 'keystead.dev/identity': 'other' } }],
    ['of another owner', { ownerReferences: [] }],
  ])('leaves a Secret %s alone', async (_what, metadata) => {
    await ensure(into('first'));
    const made = secrets.get('first')!;
    secrets.set('first', { ...made, metadata: { ...made.metadata, ...metadata } });
    meanwhile();
    await ensure(into('second'));
    expect(held()).toEqual(['first', 'second']);
  });

  it('of the name to one that is taken removes the former and leaves the other alone', async () => {
    await ensure(into('first'));
    secrets.set('theirs', { metadata: { name: 'theirs', uid: 'u' } });
    meanwhile();
    expect(await ensure(into('theirs'))).toMatchObject({ reason: 'SecretTaken' });
    expect([held(), status]).toEqual([['theirs'], {}]);
    meanwhile();
    await ensure(into('second'));
    expect(held()).toEqual(['theirs', 'second']);
  });

  it('to another identity of the same name takes nothing that was noted for the former', async () => {
    await ensure(into('first'));
    status = {};
    secrets.clear();
    meanwhile();
    await ensure(into('first'), 'i-later');
    expect(secrets.get('first')?.metadata?.ownerReferences).toMatchObject([{ uid: 'i-later' }]);
    expect(status).toEqual({ secretName: 'first' });
  });
});
