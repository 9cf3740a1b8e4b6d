// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { Scene, until } from '../e2e/harness.ts';
import { pushGoClient } from './go-client.ts';

/** Static checkers that know nothing of Keystead read what the Workload API gives: zlint certificates, go-jose keys and tokens. */
const scene = new Scene('lint');

beforeAll(async () => {
  await scene.open();
  const [image = ''] = await pushGoClient(join(import.meta.dirname, 'go-lint'), ['module'], scene.lab.registry);
  await scene.apply(
    ...scene.module('lint', {
      container: { image, command: ['/client'] },
      identity: {
        delivery: ['Socket'],
        token: { audiences: ['server'], duration: '5m' },
        x509: { dnsNames: [`lint.${scene.namespace}.svc`] },
      },
    }),
  );
}, 300_000);
afterAll(() => scene.leave(), 180_000);

/** Waits until the log says something, and gives the match. */
function says(pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log`, 90, async () => {
    const log = await scene.run('logs', 'deploy/lint').catch(String);
    return pattern.exec(log) ?? log.slice(-1500);
  });
}

describe('zlint', () => {
  it('finds nothing wrong with an X.509-SVID, nor with its trust anchors', async () => {
    await says(/^control /m);
    const log = await scene.run('logs', 'deploy/lint');
    const found = [...log.matchAll(/^(chain|anchor)-\d+ passed=(\d+) found=\[(.*)\]$/gm)];
    expect(new Set(found.map(([, kind]) => kind))).toEqual(new Set(['chain', 'anchor']));
    expect(found.map(([line, , , faults]) => (faults === '' ? '' : line))).toEqual(found.map(() => ''));
    expect(Math.min(...found.map(([, , passed]) => Number(passed)))).toBeGreaterThan(10);
  }, 120_000);

  it('finds what is wrong with another certificate', async () => {
    await says(/^control passed=\d+ found=\[.*=error/m);
  }, 120_000);
});

describe('go-jose', () => {
  it('finds the keys of the bundle to be public, of P-256, and each with an id of its own', async () => {
    await says(/^jwks keys=[1-9]\d*$/m);
  }, 120_000);

  it('finds a JWT-SVID valid for its audience, and for no other', async () => {
    await says(/^jwt valid$/m);
    await says(/^jwt-control .*audience/m);
  }, 120_000);
});
