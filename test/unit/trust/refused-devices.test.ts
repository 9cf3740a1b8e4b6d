// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { readAnchors } from '../../../src/trust/anchors.ts';
import { byIntegrity, REFUSAL_STANDS_MS } from '../../../src/trust/refused-devices.ts';
import { selfSigned } from '../../fakes/certificates.ts';

const NOW = Date.now();
let anchors: string;
let present: ReadonlySet<string>;
const absent: ReadonlySet<string> = new Set();

beforeAll(async () => {
  anchors = await selfSigned('edge-1');
  present = new Set(readAnchors([{ name: 'a', pem: anchors }], NOW).anchors.map(({ fingerprint }) => fingerprint));
});

/** A device whose condition IntegrityVerified has had this status for so long. */
function device(status: string | undefined, sinceMs = 0, mode = 'Enforce'): EdgeDevice {
  const lastTransitionTime = new Date(NOW - sinceMs).toISOString();
  const conditions = status === undefined ? [] : [{ type: 'IntegrityVerified', status, lastTransitionTime }];
  return {
    metadata: { name: 'edge-1' },
    spec: { measuredBoot: { mode } },
    status: { conditions, issuer: { anchors } },
  } as unknown as EdgeDevice;
}

const place = (subject: EdgeDevice, known: ReadonlySet<string> | undefined): string =>
  byIntegrity([subject], { present: known, now: NOW }).trusted.length === 1 ? 'in' : 'out';

describe('where measured boot is enforced, a device', () => {
  it('that is verified is in a bundle, whether it was before or not', () => {
    expect([place(device('True'), present), place(device('True'), absent)]).toEqual(['in', 'in']);
  });

  it('that is refused leaves once that has stood, and it is told when that will be', () => {
    const young = byIntegrity([device('False', 1000)], { present, now: NOW });
    expect(young).toMatchObject({ trusted: [{}], refused: [], changesAt: NOW - 1000 + REFUSAL_STANDS_MS });
    const standing = byIntegrity([device('False', REFUSAL_STANDS_MS)], { present, now: NOW });
    expect(standing).toMatchObject({ trusted: [], refused: [{}], changesAt: undefined });
  });

  it.each([['Unknown'], [undefined], ['False']])(
    'that was out does not come back while its condition is %s',
    (status) => {
      expect(place(device(status), absent)).toBe('out');
      expect(place(device(status), present)).toBe('in');
    },
  );

  it('is only taken for refused by its own condition where nothing is remembered', () => {
    expect(place(device('Unknown'), undefined)).toBe('in');
    expect(place(device('False', 1000), undefined)).toBe('in');
    expect(place(device('False', REFUSAL_STANDS_MS), undefined)).toBe('out');
  });
});

describe('where measured boot is only reported', () => {
  it('a refused device stays', () => {
    expect(place(device('False', 10 * REFUSAL_STANDS_MS, 'Report'), absent)).toBe('in');
    const without = { ...device('False'), spec: {} } as unknown as EdgeDevice;
    expect(place(without, absent)).toBe('in');
  });
});
