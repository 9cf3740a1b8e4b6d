// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { TrustBundles } from '../../../controllers/trust-bundle.ts';
import type { BundleTexts } from '../../../controllers/trust-bundle-targets.ts';
import { findCondition } from '../../../src/api/conditions.ts';
import type { EdgeDevice, TrustBundle, TrustBundleStatus } from '../../../src/api/v1alpha1/index.ts';
import { thumbprint } from '../../../src/issue/jwk.ts';
import { REFUSAL_STANDS_MS } from '../../../src/trust/refused-devices.ts';
import { selfSigned } from '../../fakes/certificates.ts';

const START = Date.now();
const TOKEN_KEYS: Readonly<Record<string, ReturnType<typeof tokenKey>>> = {
  'edge-1': tokenKey(),
  'edge-2': tokenKey(),
};
let first: string;
let second: string;
beforeAll(async () => {
  [first, second] = await Promise.all([selfSigned('edge-1'), selfSigned('edge-2')]);
});

/** As a device's status has it. */
function tokenKey() {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return { keyID: thumbprint({ kty: 'EC', crv: 'P-256', x, y }), state: 'Current', x, y };
}

function device(name: string, anchors: string, integrity?: { status: string; at: number }): EdgeDevice {
  const lastTransitionTime = new Date(integrity?.at ?? 0).toISOString();
  const condition = { type: 'IntegrityVerified', status: integrity?.status, lastTransitionTime };
  return {
    metadata: { name },
    spec: { trustDomain: 'edge.example', ...(integrity && { measuredBoot: { mode: 'Enforce' } }) },
    status: {
      issuer: { anchors },
      tokenKeys: [TOKEN_KEYS[name]],
      conditions: integrity ? [condition] : [],
    },
  } as unknown as EdgeDevice;
}

/** The reconciler with one bundle, as the API server would hold it. */
class Setting {
  now = START;
  devices: EdgeDevice[] = [];
  sources: object[] = [{ devices: {} }];
  written: BundleTexts | undefined;
  status: TrustBundleStatus | undefined;
  readonly #bundles = new TrustBundles({
    clock: { now: () => this.now },
    client: { find: () => Promise.resolve(undefined) } as never,
    status: {
      latest: (bundle) => bundle,
      forget: () => undefined,
      write: (_, status) => {
        this.status = status;
        return Promise.resolve();
      },
    },
    targets: {
      write: (_, texts) => {
        this.written = texts;
        return Promise.resolve([]);
      },
    },
    bundles: { get: () => this.#bundle(), list: () => [this.#bundle()], by: () => [] },
    devices: { get: () => undefined, list: () => this.devices, by: () => [] },
  });

  #bundle(): TrustBundle {
    const spec = { trustDomain: 'edge.example', sources: this.sources, targets: { clusterTrustBundle: false } };
    return { metadata: { name: 'edge' }, spec, status: this.status } as unknown as TrustBundle;
  }

  async look(...devices: EdgeDevice[]): Promise<{ after: number; message: string; reason: string; pem: string }> {
    this.devices = devices;
    const { requeueAfterMs = 0 } = await this.#bundles.reconcile('edge');
    const { reason = '', message = '' } = findCondition(this.status?.conditions, 'Ready') ?? {};
    return { after: requeueAfterMs, reason, message, pem: this.written?.pem ?? 'not written' };
  }

  async verified(): Promise<void> {
    await this.look(this.device('True'), device('edge-2', second));
  }

  /** edge-1, whose boot was judged so just now. */
  device(status: string, at = this.now): EdgeDevice {
    return device('edge-1', first, { status, at });
  }
}

describe('a TrustBundle, of a node that measured boot refuses where it is enforced,', () => {
  it('loses anchors and token keys once the refusal has stood, says so, and has them back with a good quote', async () => {
    const setting = new Setting();
    await setting.verified();
    expect(setting.written!.pem).toContain(first);
    const refused = setting.device('False');
    const young = await setting.look(refused, device('edge-2', second));
    expect(young.pem).toContain(first);
    expect(young.after).toBeLessThanOrEqual(REFUSAL_STANDS_MS + 1000);
    setting.now += REFUSAL_STANDS_MS;
    const { pem, message, reason } = await setting.look(refused, device('edge-2', second));
    expect(pem).toBe(second);
    expect(setting.status!.jwks).not.toContain(TOKEN_KEYS['edge-1']!.keyID);
    expect(setting.status!.jwks).toContain(TOKEN_KEYS['edge-2']!.keyID);
    expect(reason).toBe('Ready');
    expect(message).toContain('(rule NodeTrusted): edge-1.');
    const silent = await setting.look(setting.device('Unknown'), device('edge-2', second));
    expect(silent.pem).toBe(second);
    const back = await setting.look(setting.device('True'), device('edge-2', second));
    expect(back.pem).toContain(first);
    expect(back.message).not.toContain('NodeTrusted');
  });

  it('does not have them back by what the node has copied from another source of the bundle', async () => {
    const setting = new Setting();
    const other = await selfSigned('elsewhere');
    setting.sources.push({ inline: { pem: other } });
    await setting.verified();
    setting.now += REFUSAL_STANDS_MS;
    await setting.look(setting.device('False', START), device('edge-2', second));
    expect(setting.written!.pem).not.toContain(first);
    const silent = { status: 'Unknown', at: setting.now };
    const copying = device('edge-1', first + second + other, silent);
    const keys = { tokenKeys: [TOKEN_KEYS['edge-1'], TOKEN_KEYS['edge-2']] };
    for (const status of [copying.status, { ...copying.status, ...keys }]) {
      await setting.look({ ...copying, status } as EdgeDevice, device('edge-2', second));
      expect(setting.written!.pem).not.toContain(first);
      expect(setting.status!.jwks).not.toContain(TOKEN_KEYS['edge-1']!.keyID);
    }
    const { pem } = await setting.look(setting.device('True'), device('edge-2', second));
    expect(pem).toContain(first);
  });

  it('keeps its own where the node is silent, though another node reports them too', async () => {
    const setting = new Setting();
    await setting.verified();
    const copying = device('edge-2', first + second);
    expect((await setting.look(setting.device('Unknown'), copying)).pem).toContain(first);
  });

  it('loses them though another source is wrong, while what was there of that one stays', async () => {
    const setting = new Setting();
    setting.sources.push({ inline: { pem: second } });
    await setting.look(setting.device('True'));
    setting.sources = [{ devices: {} }, { inline: { pem: 'a typing error' } }];
    const refused = setting.device('False');
    setting.now += REFUSAL_STANDS_MS;
    const { pem, reason } = await setting.look(refused);
    expect(reason).toBe('SourceInvalid');
    expect(pem).toBe(second);
  });

  it('is emptied where that was its only node, in its targets too', async () => {
    const setting = new Setting();
    await setting.look(setting.device('True'));
    const refused = setting.device('False');
    setting.now += REFUSAL_STANDS_MS;
    const { pem, reason, message } = await setting.look(refused);
    expect([pem, reason]).toEqual(['', 'NoAnchors']);
    expect(message).toContain('(rule NodeTrusted): edge-1.');
    expect(setting.status).toMatchObject({ certificates: '', count: 0 });
  });

  it('keeps a node that was verified and is silent now', async () => {
    const setting = new Setting();
    await setting.verified();
    setting.now += 10 * REFUSAL_STANDS_MS;
    expect((await setting.look(setting.device('Unknown'), device('edge-2', second))).pem).toContain(first);
  });
});

describe('a TrustBundle that would be larger than the API server takes', () => {
  const withTokens = (name: string, anchors: string, tokens: number): EdgeDevice => {
    const one = device(name, anchors);
    const until = new Date(START + 60_000).toISOString();
    const revoked = Array.from({ length: tokens }, (_, at) => ({ jti: `${name}-${at}`.padEnd(64, 'x'), until }));
    return { ...one, status: { ...one.status, revocation: { tokens: revoked } } };
  };

  it('stays as it is, says so and names who fills it; and follows again once it fits', async () => {
    const setting = new Setting();
    expect(await setting.look(withTokens('edge-1', first, 1_000))).toMatchObject({ reason: 'Ready' });
    const before = setting.status!;
    setting.written = undefined;
    const found = await setting.look(withTokens('edge-1', first, 1_000), withTokens('edge-2', second, 20_000));
    expect(found).toMatchObject({ reason: 'BundleTooLarge', pem: 'not written' });
    expect(found.message).toMatch(
      /would have 13\d{5} bytes, more than 1048576: .* Most comes from device edge-2 \(12\d{5} bytes\)/,
    );
    expect(findCondition(setting.status!.conditions, 'Ready')).toMatchObject({ status: 'False' });
    const { conditions: _now, ...now } = setting.status!;
    const { conditions: _then, ...then } = before;
    expect(now).toEqual(then);
    const again = await setting.look(withTokens('edge-1', first, 1_000), withTokens('edge-2', second, 1_000));
    expect(again.reason).toBe('Ready');
    expect(again.pem).toContain(second);
  });
});
