// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { Scene, until } from '../e2e/harness.ts';
import { pushGoClient } from './go-client.ts';

/** Envoy's own messages and grpc's own reflection client, in a pod; what an Envoy beside a module would be given. */
const scene = new Scene('envoy');
const SOCKET = { env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' }] };

beforeAll(async () => {
  await scene.open();
  const [image = ''] = await pushGoClient(join(import.meta.dirname, 'envoy'), ['module'], scene.lab.registry);
  await scene.apply(
    scene.object('EdgeModule', 'mesh', {
      selector: { matchLabels: { app: 'mesh' } },
      images: [{ digest: image.slice(image.indexOf('@') + 1) }],
    }),
    scene.object('ModuleIdentity', 'mesh', {
      moduleRef: { name: 'mesh' },
      delivery: ['Socket'],
      x509: { duration: '1m', renewAtPercent: 20 },
    }),
    scene.pod('mesh', { app: 'mesh' }, { image, command: ['/client'], container: SOCKET }),
  );
}, 300_000);
afterAll(() => scene.leave(), 180_000);

/** Waits until the log says something, and gives the match. */
function says(pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log`, 90, async () => {
    const log = await scene.run('logs', 'mesh').catch(String);
    return pattern.exec(log) ?? log.slice(-800);
  });
}

describe('on the socket of a module', () => {
  it('reflection lists the services, and what it says of each is complete', async () => {
    await says(/^service SpiffeWorkloadAPI files=2$/m);
    await says(/^service envoy\.service\.secret\.v3\.SecretDiscoveryService files=\d+$/m);
    await says(/^missing 5\nalpha-services [45]$/m);
  }, 120_000);

  it('an Envoy fetches the bundle: by trust domain, or as plain anchors where it is older than 1.18', async () => {
    await says(/^fetched nonce=1 ROOTCA validator envoy\.tls\.cert_validator\.spiffe \S+=\d+$/m);
    await says(/^fetched-old nonce=1 ROOTCA anchors=\d+$/m);
  }, 120_000);

  it('is told what it may ask for, and that the delta protocol is not offered', async () => {
    await says(/^unknown .*code = InvalidArgument desc = SecretUnknown: expected one of spiffe:/m);
    await says(/^delta .*code = Unimplemented/m);
  }, 120_000);

  it('an Envoy is given its certificate, and each renewal, once it has acknowledged the one before', async () => {
    const id = `spiffe://[^/]+/ns/${scene.namespace}/module/mesh`;
    const certificate = (count: number): string => `update-${count} nonce=${count + 1} default certificate id=${id}`;
    await says(new RegExp(`^${certificate(0)} serial=(\\S+)\nupdate-0 nonce=1 ALL validator`, 'm'));
    // The answer to the refused and narrowed subscription, and then a renewal.
    const [, same, renewed] = await says(
      new RegExp(`^${certificate(1)} serial=(\\S+)\n${certificate(2)} serial=(\\S+)`, 'm'),
    );
    expect(renewed).not.toBe(same);
  }, 150_000);
});
