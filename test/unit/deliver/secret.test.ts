// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { deliveredSecret, refreshedPod, withdrawnSecret } from '../../../src/deliver/secret.ts';

const DESTINATION = { namespace: 'plant', name: 'sensor-tls', podUid: 'u-1', node: 'edge-1' };
const plain = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));

describe('deliveredSecret', () => {
  const secret = deliveredSecret(DESTINATION, { privateKey: 'KEY\n', chain: 'LEAF\nCA\n' });

  it('holds key, chain and both in one, and leaves ca.crt to the controller', () => {
    expect(plain(secret.data)).toEqual({
      'tls.crt': 'LEAF\nCA\n',
      'tls.key': 'KEY\n',
      'credential-bundle.pem': 'KEY\nLEAF\nCA\n',
    });
  });

  it('says whom it is for, and claims nothing else of the object', () => {
    expect({ ...secret, data: undefined }).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: {
        namespace: 'plant',
        name: 'sensor-tls',
        annotations: { 'keystead.dev/holder': 'u-1', 'keystead.dev/node': 'edge-1' },
      },
      data: undefined,
    });
  });

  it('joins PEM blocks by line even where the key lacks its last newline', () => {
    const { data } = deliveredSecret(DESTINATION, { privateKey: 'KEY', chain: 'LEAF' });
    expect(plain(data)['credential-bundle.pem']).toBe('KEY\nLEAF');
  });
});

describe('withdrawnSecret', () => {
  it('keeps the keys that the type demands, empty, and nothing else', () => {
    expect(withdrawnSecret(DESTINATION)).toMatchObject({
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': '', 'tls.key': '' },
    });
    expect(Object.keys(withdrawnSecret(DESTINATION).data)).toEqual(['tls.crt', 'tls.key']);
  });
});

describe('refreshedPod', () => {
  it('touches only one annotation, of the pod with that uid', () => {
    expect(refreshedPod({ namespace: 'plant', name: 'sensor-0', uid: 'u-1' }, '7f')).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'plant', name: 'sensor-0', uid: 'u-1', annotations: { 'keystead.dev/refresh': '7f' } },
    });
  });
});
