// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { fakeCluster, NOW, run } from './fakes.ts';
import { device, HEALTHY, identity } from './objects.ts';

const at = (offsetMs: number): string => new Date(NOW + offsetMs).toISOString();
const HOUR = 3_600_000;
const issuer = {
  uri: 'pkcs11:object=issuer',
  purpose: 'Issuer',
  algorithm: 'EC-P256',
  sensitive: true,
  extractable: false,
  created: at(-48 * HOUR),
  lastUsed: at(-HOUR),
};
const held = { ...issuer, uri: 'pkcs11:object=module', purpose: 'Module', owner: 'uid-1' };
const software = { ...issuer, uri: 'software:object=issuer', extractable: true };
const press = { ...identity('press', []), metadata: { namespace: 'factory', name: 'press', uid: 'uid-1' } };
const objects = {
  ...HEALTHY,
  edgedevices: [
    device('node-1', { status: { keys: [issuer, held], keyCount: 5 } }),
    device('node-2', { status: { keys: [software], keyCount: 1 } }),
  ],
  moduleidentities: [press],
};

describe('keystead keys', () => {
  it('shows the keys of all nodes, whose they are, and what is not shown', async () => {
    const { out, exit } = await run('keys', { cluster: fakeCluster(objects) });
    expect(exit).toBe(0);
    const lines = out.split('\n').map((line) => line.split(/ {3,}/));
    expect(lines[1]).toEqual(['node-1', 'Issuer', '-', 'EC-P256', 'no', '2d ago', '1h ago', 'pkcs11:object=issuer']);
    expect(lines[2]).toEqual(expect.arrayContaining(['Module', 'factory/press', 'pkcs11:object=module']));
    expect(lines[3]).toEqual(expect.arrayContaining(['node-2', 'yes', 'software:object=issuer']));
    expect(out).toContain('node-1 has 3 more keys of modules');
  });

  it('shows those of one node as JSON, also to whoever may not list identities', async () => {
    const forbidden = new KeysteadError('PermissionDenied', 'no');
    const cluster = fakeCluster({ ...objects, moduleidentities: forbidden });
    const { out } = await run('keys -n node-1 --json', { cluster });
    expect(JSON.parse(out)).toEqual({
      keys: [
        { node: 'node-1', ...issuer },
        { node: 'node-1', ...held },
      ],
    });
  });

  it('fails for a node that is not there', async () => {
    expect(await run('keys --node nobody', { cluster: fakeCluster(objects) })).toMatchObject({ exit: 2 });
  });
});
