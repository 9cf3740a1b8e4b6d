// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { agentManager, CONTROLLER_MANAGER } from '../../../src/api/names.ts';
import { deliveredSecret, refreshedPod, withdrawnSecret } from '../../../src/deliver/secret.ts';
import { readLab, type Lab } from '../../lab/index.ts';
import { kubectlOf, type Kubectl } from './kubectl.ts';

const SECRET = { namespace: 'default', name: 'deliver-test-tls' };
const DESTINATION = { ...SECRET, podUid: 'u-1', node: 'edge-1' };
const CREDENTIALS = { privateKey: 'KEY\n', chain: 'LEAF\n' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('the delivered Secret on a real API server', () => {
  let lab: Lab;
  let kubectl: Kubectl;

  const apply = (manager: string, object: object): Promise<string> =>
    kubectl(['apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`, '-f', '-'], object);
  const data = async (): Promise<Record<string, string>> => {
    const text = await kubectl(['get', 'secret', SECRET.name, '-o', 'json']);
    return (JSON.parse(text) as { data: Record<string, string> }).data;
  };
  const bundle = (text: string): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: SECRET,
    type: 'kubernetes.io/tls',
    data: { 'ca.crt': base64(text) },
  });
  const remove = (): Promise<string> => kubectl(['delete', 'secret', SECRET.name, '--ignore-not-found']);

  beforeAll(async () => {
    lab = readLab();
    kubectl = kubectlOf(lab);
    await remove();
    // As the controller does before the pod starts: created, not applied, so that it can leave the keys out later.
    const empty = { 'ca.crt': base64('ONE'), 'tls.crt': '', 'tls.key': '' };
    const args = ['create', `--field-manager=${CONTROLLER_MANAGER}`, '-f', '-'];
    await kubectl(args, { ...bundle(''), data: empty });
    await apply(CONTROLLER_MANAGER, bundle('ONE'));
  }, 60_000);
  afterAll(async () => {
    await remove();
  }, 60_000);

  it('fills in beside the bundle', async () => {
    await apply(agentManager('edge-1'), deliveredSecret(DESTINATION, CREDENTIALS));
    expect(await data()).toEqual({
      'ca.crt': base64('ONE'),
      'tls.crt': base64('LEAF\n'),
      'tls.key': base64('KEY\n'),
      'credential-bundle.pem': base64('KEY\nLEAF\n'),
    });
  }, 60_000);

  it('keeps the identity when the controller renews the bundle', async () => {
    await apply(CONTROLLER_MANAGER, bundle('TWO'));
    expect(await data()).toMatchObject({ 'ca.crt': base64('TWO'), 'tls.key': base64('KEY\n') });
  }, 60_000);

  it('empties at withdrawal, and the bundle stays', async () => {
    await apply(agentManager('edge-1'), withdrawnSecret(DESTINATION));
    expect(await data()).toEqual({ 'ca.crt': base64('TWO'), 'tls.crt': '', 'tls.key': '' });
  }, 60_000);

  it('never makes a pod by refreshing one that is gone', async () => {
    const gone = { namespace: 'default', name: 'deliver-test-gone', uid: '00000000-0000-0000-0000-000000000001' };
    await expect(apply(agentManager('edge-1'), refreshedPod(gone, '1'))).rejects.toThrow(/uid mismatch/i);
  }, 60_000);
});
