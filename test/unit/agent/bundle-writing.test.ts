// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { writeBundles } from '../../../src/bin/agent/bundle-writing.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import { KeysteadError, type ErrorCode } from '../../../src/errors.ts';

const BUNDLE = { anchors: 'ANCHORS', crls: 'CRLS' };

function volumesOf(failures: Readonly<Record<string, ErrorCode>> = {}) {
  let list = ['a', 'b', 'c'].map((volumeId) => ({ volumeId }) as PublishedVolume);
  const written: string[] = [];
  const volumes = {
    list: () => list,
    writeBundle({ volumeId }: PublishedVolume, anchors: string, crls?: string): void {
      const code = failures[volumeId];
      if (code) throw new KeysteadError(code, `not ${volumeId}`);
      written.push(`${volumeId} ${anchors} ${crls ?? ''}`);
    },
  };
  return { written, volumes, remove: (id: string) => (list = list.filter(({ volumeId }) => volumeId !== id)) };
}

describe('the trust bundle', () => {
  it('comes into all volumes, but into none that has gone meanwhile', async () => {
    const { written, volumes, remove } = volumesOf();
    const writing = writeBundles(volumes, BUNDLE);
    remove('b');
    await writing;
    expect(written).toEqual(['a ANCHORS CRLS', 'c ANCHORS CRLS']);
  });

  it.each([
    [{ a: 'NotFound' }, 'NotFound', 2],
    [{ a: 'NotFound', b: 'Internal' }, 'Internal', 1],
    [{ c: 'Internal' }, 'Internal', 2],
  ] as const)('comes into the others where some cannot be written: %j', async (failures, code, others) => {
    const { written, volumes } = volumesOf(failures);
    await expect(writeBundles(volumes, BUNDLE)).rejects.toMatchObject({ code });
    expect(written).toHaveLength(others);
  });
});
