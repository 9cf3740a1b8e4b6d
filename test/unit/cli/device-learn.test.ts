// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../../src/cli/port.ts';
import { fakeCluster, run } from './fakes.ts';
import { condition } from './objects.ts';

const ZEROS = '0'.repeat(64);
const ONES = '1'.repeat(64);
const KEY = 'e'.repeat(64);

interface Answer {
  readonly reason: string;
  readonly message?: string;
  /** The quoted PCRs. */
  readonly pcrs?: readonly { readonly index: number; readonly sha256: string }[];
}

const QUOTED: Answer = {
  reason: 'Verified',
  pcrs: [0, 2, 4, 7, 8, 9, 11, 12].map((index) => ({ index, sha256: index === 7 ? ONES : ZEROS })),
};

/** A cluster whose controller judges the node as told once it is asked anew. */
function cluster(
  answer: Answer,
  measuredBoot: object | undefined = { tpm: {} },
): { patches: object[]; cluster: Cluster } {
  const patches: object[] = [];
  const metadata = { name: 'edge-1', generation: 3 };
  const judged = condition('IntegrityVerified', 'True', answer.reason, answer.message ?? '');
  const get = () =>
    Promise.resolve({
      metadata,
      spec: { rootOfTrust: {}, measuredBoot },
      status: {
        conditions: [{ ...judged, observedGeneration: patches.length > 0 ? 4 : 3 }],
        integrity: { endorsementKey: KEY, pcrs: answer.pcrs },
      },
    });
  const patch = (_kind: unknown, _name: unknown, change: object) => {
    patches.push(change);
    return Promise.resolve({ metadata: { ...metadata, generation: 4 } });
  };
  return { patches, cluster: fakeCluster({}, { get, patch } as unknown as Partial<Cluster>) };
}

describe('keystead device learn', () => {
  it('has the TPM quoted anew, then takes its values and its endorsement key', async () => {
    const fake = cluster(QUOTED);
    const { exit, out } = await run('device learn edge-1 --mode Enforce', fake);
    expect(exit).toBe(0);
    const [asked, learnt] = fake.patches;
    expect(asked).toEqual({ spec: { measuredBoot: { learned: expect.any(String), endorsementKey: null } } });
    expect(learnt).toEqual({
      spec: {
        measuredBoot: {
          pcrs: QUOTED.pcrs!.map(({ index, sha256 }) => ({ index, sha256: [sha256] })),
          endorsementKey: KEY,
          mode: 'Enforce',
        },
      },
    });
    expect(out).toContain(`7     ${ONES}`);
    expect(out).toContain(`endorsement key ${KEY}`);
  });

  it('learns the PCRs that are named, and keeps what was expected where asked to', async () => {
    const fake = cluster(QUOTED, { tpm: {}, pcrs: [{ index: 7, sha256: [ZEROS] }] });
    await run('device learn edge-1 --pcrs 7,0 --add', fake);
    expect(fake.patches[1]).toMatchObject({
      spec: {
        measuredBoot: {
          pcrs: [
            { index: 0, sha256: [ZEROS] },
            { index: 7, sha256: [ONES, ZEROS] },
          ],
        },
      },
    });
  });

  it.each([['SignatureInvalid'], ['EndorsementCertificateUntrusted'], ['TpmUnusable']])(
    'writes nothing where the judgement is %s, and says so',
    async (reason) => {
      const fake = cluster({ ...QUOTED, reason, message: 'as it is' });
      expect(await run('device learn edge-1', fake)).toMatchObject({
        exit: 2,
        err: expect.stringContaining(`nothing was learnt of node edge-1: ${reason}: as it is`),
      });
      expect(fake.patches).toHaveLength(1);
    },
  );

  it('writes nothing where a PCR is not in the quote, and says what to do', async () => {
    const fake = cluster(QUOTED);
    expect(await run('device learn edge-1 --pcrs 16', fake)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('the quote does not cover PCR 16'),
    });
    expect(fake.patches).toHaveLength(1);
  });

  it('asks nothing of a node without a TPM', async () => {
    const fake = cluster(QUOTED);
    const without = {
      ...fake,
      cluster: { ...fake.cluster, get: () => Promise.resolve({ spec: { rootOfTrust: {} } }) },
    };
    const { exit, err } = await run('device learn edge-1', without as unknown as { cluster: Cluster });
    expect(exit).toBe(2);
    expect(err).toContain('node edge-1 has no TPM that attests: set spec.measuredBoot.tpm');
    expect(fake.patches).toEqual([]);
  });

  it.each([
    ['no node', '', 'expects the name of one NODE'],
    ['a PCR that is none', 'edge-1 --pcrs 0,24', '--pcrs: expected numbers from 0 to 23'],
    ['a mode that is none', 'edge-1 --mode Maybe', '--mode: expected Report or Enforce, found Maybe'],
  ])('refuses %s', async (_, operands, reason) => {
    const fake = cluster(QUOTED);
    expect((await run(`device learn ${operands}`, fake)).err).toContain(reason);
    expect(fake.patches).toEqual([]);
  });
});
