// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { chartFile, CHART, helm, parse, render } from './helm.ts';
import { DEMO, EVERYTHING } from './value-sets.ts';

describe('helm lint', () => {
  it.each([
    ['default values', {}],
    ['a software token', DEMO],
    ['everything optional', EVERYTHING],
  ])('has nothing to say about %s', async (_name, values) => {
    await expect(helm(['lint', '--strict', '-f', '-', CHART], JSON.stringify(values))).resolves.toContain(
      '0 chart(s) failed',
    );
  });
});

describe('values.schema.json', () => {
  it('knows every key of values.yaml and no other', () => {
    const schema = JSON.parse(readFileSync(chartFile('values.schema.json'), 'utf8')) as Schema;
    const values = parse(readFileSync(chartFile('values.yaml'), 'utf8'));
    const known = keysOfSchema(schema).filter((key) => key !== 'global' && !key.endsWith('.configMap.name'));
    expect(known.sort()).toEqual(keysOf(values, schema).sort());
  });

  it.each([
    [{ agnt: {} }, "additional properties 'agnt' not allowed"],
    [{ device: { spec: { trustdomain: 'x' } } }, "additional properties 'trustdomain' not allowed"],
    [{ kubeletRoot: 'var/lib/kubelet' }, '/kubeletRoot'],
    [{ runtime: { socket: '' } }, '/runtime/socket'],
    [{ image: { digest: 'sha256:abc' } }, '/image/digest'],
    [{ image: { pullPolicy: 'Sometimes' } }, '/image/pullPolicy'],
    [{ logLevel: 'loud' }, '/logLevel'],
    [{ notary: { uid: 0 } }, '/notary/uid'],
    [{ notary: { extraEnv: [{ name: 'KEYSTEAD_AGENT_UID', value: '1' }] } }, '/notary/extraEnv/0/name'],
    [{ softhsm: { tokenLabel: 'x'.repeat(33) } }, '/softhsm/tokenLabel'],
    [{ tpm: { device: '/etc/passwd' } }, '/tpm/device'],
    [{ pin: { extraKeys: ['../x'] } }, '/pin/extraKeys/0'],
    [{ device: { spec: { trustDomain: 'Edge.Example' } } }, '/device/spec/trustDomain'],
  ])('refuses %j', async (values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });

  it.each([
    [{ device: { create: true } }, 'device.create needs device.spec.trustDomain'],
    [{ device: { create: true, spec: { trustDomain: 'a' } } }, 'device.create needs device.spec.rootOfTrust'],
    [
      { device: { create: true, spec: { trustDomain: 'a', rootOfTrust: { pkcs11: { library: '/l', slot: 1 } } } } },
      'needs its PIN: give pin.secretName or pin.hostPath',
    ],
    [
      { device: { create: true, spec: { trustDomain: 'a', rootOfTrust: { tpm: {} } } } },
      'needs its device node: give tpm.device',
    ],
    [
      { device: { create: true, spec: { trustDomain: 'a', rootOfTrust: { software: {} } } } },
      'needs their passphrase: give pin.secretName',
    ],
    [{ software: { enabled: true }, softhsm: { enabled: true } }, 'both set: choose one of them'],
    [{ pin: { secretName: 'a', hostPath: '/b' } }, 'both set: give one of them'],
  ])('%j is refused with what to do', async (values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });
});

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
}

const withProperties = ({ properties, oneOf }: Schema) =>
  properties ?? oneOf?.find((one) => one.properties)?.properties;

function keysOfSchema(schema: Schema, prefix = ''): string[] {
  const properties = withProperties(schema);
  if (!properties) return [prefix];
  return Object.entries(properties).flatMap(([key, child]) => keysOfSchema(child, prefix ? `${prefix}.${key}` : key));
}

/** Keys of the values, as deep as the schema names them. */
function keysOf(values: unknown, schema: Schema, prefix = ''): string[] {
  const properties = withProperties(schema);
  if (!properties) return [prefix];
  return Object.entries(values as Record<string, unknown>).flatMap(([key, child]) =>
    keysOf(child, properties[key] ?? {}, prefix ? `${prefix}.${key}` : key),
  );
}
