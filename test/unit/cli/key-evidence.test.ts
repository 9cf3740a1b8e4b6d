// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import type { Cluster } from '../../../src/cli/port.ts';
import type { KubeObject, Resource } from '../../../src/kube/index.ts';
import { fakeCluster, run } from './fakes.ts';
import { pod } from './objects.ts';

const EVIDENCE = { format: 1, node: 'edge-1' };

/** A cluster with one agent, which answers on its evidence page. */
function cluster(answer: () => unknown = () => EVIDENCE): { asked: string[]; cluster: Cluster } {
  const asked: string[] = [];
  const get = (kind: Resource, { namespace, name }: { namespace?: string; name: string }): Promise<KubeObject> => {
    asked.push(`${namespace ?? ''} ${kind.plural} ${name}`);
    return Promise.resolve().then(() => answer() as KubeObject);
  };
  return {
    asked,
    cluster: fakeCluster({ pods: [pod('agent-1', { component: 'node', node: 'edge-1' })] }, {
      get,
    } as Partial<Cluster>),
  };
}

describe('keystead key-evidence', () => {
  it("asks the node's agent for the issuer's key, with a nonce of its own that it tells", async () => {
    const fake = cluster();
    const { exit, out, err } = await run('key-evidence edge-1', fake);
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toEqual(EVIDENCE);
    const [, nonce] = /^nonce ([0-9a-f]{64})$/.exec(err)!;
    expect(fake.asked).toEqual([`keystead-system pods/agent-1%3A9464/proxy/evidence Issuer-${nonce}`]);
  });

  it('asks for the key of tokens with the nonce that it is given', async () => {
    const fake = cluster();
    const { err } = await run(`key-evidence edge-1 --key token --nonce ${'ab'.repeat(8)}`, fake);
    expect(fake.asked[0]).toMatch(/ Token-(ab){8}$/);
    expect(err).toBe('');
  });

  it.each([
    ['no node', '', 'expects the name of one NODE'],
    ['two nodes', 'edge-1 edge-2', 'expects the name of one NODE'],
    ['a key that is none', 'edge-1 --key master', '--key: expected issuer or token, found master'],
    ['a nonce that is none', 'edge-1 --nonce XY', '--nonce: expected 16 to 128 hexadecimal digits'],
  ])('refuses %s', async (_, operands, reason) => {
    const { exit, err } = await run(`key-evidence ${operands}`, cluster());
    expect(exit).not.toBe(0);
    expect(err).toContain(reason);
  });

  it('says which node has no agent, and what the agent says where it has no evidence', async () => {
    expect(await run('key-evidence edge-2', cluster())).toMatchObject({
      exit: 2,
      err: expect.stringContaining('no evidence of the key of node edge-2: no agent of Keystead runs on node edge-2'),
    });
    const away = cluster(() => {
      throw new KeysteadError('Unavailable', 'HTTP 503 TokenAbsent: no token');
    });
    expect(await run('key-evidence edge-1', away)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('no evidence of the key of node edge-1: HTTP 503 TokenAbsent: no token'),
    });
  });
});
