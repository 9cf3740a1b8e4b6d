// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AttackScene } from './attack.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackScene('name');
const TRUST_DOMAIN = 'edge.example.org';
beforeAll(() => scene.open(), 120_000);
afterAll(() => scene.close(), 180_000);

/** Declares an attacking and an honest identity, each with a pod; the first is refused with the reason. */
async function refused(name: string, identity: object, honest: object, reason: string): Promise<void> {
  await scene.apply(
    ...scene.claim(`${name}-honest`, {}, honest),
    scene.pod(`${name}-honest`, { app: `${name}-honest` }),
  );
  await scene.holder(`${name}-honest`, 'Allowed');
  await scene.apply(
    ...scene.claim(`${name}-attacker`, {}, identity),
    scene.pod(`${name}-attacker`, { app: `${name}-attacker` }),
  );
  const denied = await scene.holder(`${name}-attacker`, 'Denied');
  expect(denied).toMatchObject({ reason });
  await scene.gotNothing(`${name}-attacker`, `${name}-attacker`);
  await scene.remove(`${name}-honest`, `${name}-attacker`);
}

describe('a name that is not its own', () => {
  attack("is refused: the SPIFFE ID of another namespace's module", () => {
    const id = (namespace: string) => ({ spiffeId: `spiffe://${TRUST_DOMAIN}/ns/${namespace}/module/hello` });
    return refused('namespace', id('keystead-demo'), id(scene.namespace), 'SpiffeIdNotAllowed');
  });

  attack('is refused: a namespace that only begins like its own', () => {
    const id = (namespace: string) => ({ spiffeId: `spiffe://${TRUST_DOMAIN}/ns/${namespace}/module/begin` });
    return refused('begin', id(`${scene.namespace}-x`), id(scene.namespace), 'SpiffeIdNotAllowed');
  });

  attack('is refused: a SPIFFE ID of another trust domain', () => {
    const id = (domain: string) => ({ spiffeId: `spiffe://${domain}/ns/${scene.namespace}/module/domain` });
    return refused('domain', id('other.example.org'), id(TRUST_DOMAIN), 'SpiffeIdNotAllowed');
  });

  attack('is refused: the SPIFFE ID that an older identity has', () => {
    const id = { spiffeId: `spiffe://${TRUST_DOMAIN}/ns/${scene.namespace}/module/taken` };
    return refused('taken', id, id, 'IdentityTaken');
  });

  attack('is refused: a DNS name of another namespace', () => {
    const names = (name: string) => ({ x509: { dnsNames: [name] } });
    return refused('dns', names('hello.keystead-demo.svc'), names(`dns.${scene.namespace}.svc`), 'DnsNameNotGranted');
  });

  it.each([
    [
      'with a step upwards',
      (namespace: string) => `spiffe://${TRUST_DOMAIN}/ns/${namespace}/../keystead-demo/module/x`,
    ],
    ['with an encoded slash', (namespace: string) => `spiffe://${TRUST_DOMAIN}/ns/${namespace}%2f..%2fother/module/x`],
    ['with a query', (namespace: string) => `spiffe://${TRUST_DOMAIN}/ns/${namespace}/module/x?as=admin`],
    ['without a namespace', () => `spiffe://${TRUST_DOMAIN}/module/x`],
  ])('is refused by the API server: a SPIFFE ID %s', async (_what, id) => {
    const declare = (spiffeId: string) =>
      scene.apply(scene.object('ModuleIdentity', 'malformed', { moduleRef: { name: 'm' }, spiffeId }));
    await expect(declare(id(scene.namespace))).rejects.toThrow('spiffeId must be spiffe://');
    // Dry of pods: what is asked here is whether the object may exist at all.
    await expect(declare(`spiffe://${TRUST_DOMAIN}/ns/${scene.namespace}/module/x`)).resolves.toBeUndefined();
    await scene.run('delete', 'moduleidentity', 'malformed');
  });

  it('is refused by the API server: another SPIFFE ID or module for an identity that exists', async () => {
    const identity = (spec: object) => scene.apply(scene.object('ModuleIdentity', 'renamed', spec));
    const id = (name: string) => `spiffe://${TRUST_DOMAIN}/ns/${scene.namespace}/module/${name}`;
    await identity({ moduleRef: { name: 'm' }, spiffeId: id('one') });
    await expect(identity({ moduleRef: { name: 'm' }, spiffeId: id('two') })).rejects.toThrow(/cannot be .*changed/);
    await expect(identity({ moduleRef: { name: 'n' }, spiffeId: id('one') })).rejects.toThrow(/cannot be .*changed/);
    await expect(
      identity({ moduleRef: { name: 'm' }, spiffeId: id('one'), x509: { duration: '2h' } }),
    ).resolves.toBeUndefined();
  });
});
