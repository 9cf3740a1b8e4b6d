// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentCaches } from '../../../src/bin/agent/caches.ts';
import { SealedCache } from '../../../src/bin/agent/sealed-cache.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/log.ts';
import type { HubCipherRequest } from '../../../src/notary/hub-port.ts';

let folder: string;
let running: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-sealed-'));
  running = new AbortController();
});
afterEach(() => {
  running.abort();
  rmSync(folder, { recursive: true });
});

type Seeded = Record<string, readonly object[]>;

/** Caches that hold these objects, or, without any, such as the API server has not filled. */
function caches(content?: Seeded): { readonly caches: AgentCaches; readonly seeded: Seeded } {
  const seeded: Seeded = {};
  const kinds = Object.fromEntries(
    ['devices', 'bundles', 'modules', 'identities', 'pods'].map((kind) => [
      kind,
      {
        hasSynced: content !== undefined,
        synced: content ? Promise.resolve() : new Promise(() => undefined),
        list: () => content?.[kind] ?? [],
        seed: (objects: readonly object[]) => (seeded[kind] = objects),
      },
    ]),
  );
  return { caches: { ...kinds, all: () => Object.values(kinds) } as unknown as AgentCaches, seeded };
}

/** Wraps what it is given with the name of its token; another token refuses it. */
const notary = (token: string) => ({
  hubEncrypt: ({ text }: HubCipherRequest) => Promise.resolve(Buffer.concat([Buffer.from(token), text])),
  hubDecrypt: ({ text }: HubCipherRequest) =>
    text.subarray(0, token.length).toString() === token
      ? Promise.resolve(Buffer.from(text.subarray(token.length)))
      : Promise.reject(new KeysteadError('InvalidRequest', 'of another token')),
});

function sealedCache(of: AgentCaches, token = 'token-a'): SealedCache {
  const log = createLogger('test', 'silent');
  return new SealedCache({ stateDir: folder, node: 'node-1', caches: of, notary: notary(token), log, patienceMs: 1 });
}

const object = (namespace: string, name: string, spec: object = {}): object => ({
  metadata: { namespace, name },
  spec,
});
const ON_HOST = [object('node', 'updater', { host: { unit: 'updater.service' } })];
const CONTENT = {
  pods: [object('shop', 'till-1')],
  modules: [object('shop', 'till'), object('bank', 'vault'), ...ON_HOST],
  identities: [object('shop', 'till'), object('bank', 'vault'), object('node', 'updater')],
  devices: [{ metadata: { name: 'node-1' } }],
  bundles: [],
};
const file = (): string => join(folder, 'cluster.sealed');

async function written(): Promise<void> {
  void sealedCache(caches(CONTENT).caches).run(running.signal);
  for (;;) {
    try {
      if (readFileSync(file()).length > 0) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

describe('the sealed copy of the cluster', () => {
  it('fills the caches while the API server is away, with what concerns this node', async () => {
    await written();
    const { caches: empty, seeded } = caches();
    await sealedCache(empty).seed(running.signal);
    expect(seeded).toEqual({
      ...CONTENT,
      modules: [object('shop', 'till'), ...ON_HOST],
      identities: [object('shop', 'till'), object('node', 'updater')],
    });
  });

  it('is not looked at where the API server has answered', async () => {
    await written();
    const { caches: full, seeded } = caches(CONTENT);
    await sealedCache(full).seed(running.signal);
    expect(seeded).toEqual({});
  });

  it('shows nothing of its content', async () => {
    await written();
    expect(readFileSync(file()).toString('latin1')).not.toMatch(/till|shop|node-1/);
  });

  it('is not used where a byte of it differs, it is cut, or it is another token’s', async () => {
    await written();
    const sealed = readFileSync(file());
    const changed = [...new Set([0, 1, 2, 3, 20, 60, sealed.length >> 1, sealed.length - 1])].map((index) => {
      const copy = Buffer.from(sealed);
      copy.writeUInt8(copy.readUInt8(index) ^ 1, index);
      return copy;
    });
    for (const content of [...changed, sealed.subarray(0, -1), sealed.subarray(0, 10), Buffer.alloc(0)]) {
      writeFileSync(file(), content);
      const { caches: empty, seeded } = caches();
      await sealedCache(empty).seed(running.signal);
      expect(seeded).toEqual({});
    }
    writeFileSync(file(), sealed);
    const { caches: empty, seeded } = caches();
    await sealedCache(empty, 'token-b').seed(running.signal);
    expect(seeded).toEqual({});
    const { caches: again, seeded: filled } = caches();
    await sealedCache(again).seed(running.signal);
    expect(filled['pods']).toEqual(CONTENT.pods);
  });
});
