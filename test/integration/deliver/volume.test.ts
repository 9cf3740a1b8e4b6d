// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { KeyedCredentials, PublishedVolume } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { mountsAt, unmountAll } from '../../../src/os/mount.ts';
import { isRoot, makeCredentials, TestNode } from './fixture.ts';

const BUNDLE = 'BUNDLE\n';
const OWNER = { uid: 10001, gid: 10002 };
const ALL = ['ca.crt', 'credential-bundle.pem', 'tls.crt', 'tls.key', 'trust-bundle.pem'];
const PUBLIC = ['ca.crt', 'trust-bundle.pem'];

(isRoot ? describe : describe.skip)('a volume on a real tmpfs', () => {
  let pairs: KeyedCredentials[];
  let node: TestNode;
  let store: VolumeStore;
  let volume: PublishedVolume;

  beforeAll(() => {
    pairs = makeCredentials(12);
  });
  beforeEach(() => {
    node = new TestNode();
    store = new VolumeStore();
    volume = node.mountedVolume('pod-1');
    store.add(volume);
  });
  afterEach(() => node.remove());

  const names = (): string[] =>
    readdirSync(volume.targetPath)
      .filter((name) => !name.startsWith('..'))
      .sort();
  const at = (name: string): string => join(volume.targetPath, name);
  /** Exit status of `cat` as another user. */
  const readsAs = (name: string, uid: number, gid: number): boolean =>
    spawnSync('cat', [at(name)], { uid, gid, stdio: 'ignore' }).status === 0;

  it('is mounted with the flags that a place for keys should have', () => {
    expect(mountsAt(volume.targetPath)).toEqual([
      { path: volume.targetPath, fileSystem: 'tmpfs', source: 'keystead-test' },
    ]);
    const line = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((each) => each.includes(volume.targetPath));
    expect(line).toMatch(/ rw,nosuid,nodev,noexec,noatime /);
    expect(line).toMatch(/size=1024k,nr_inodes=256,mode=755/);
  });

  it('shows only the trust bundle until the pod is attested', () => {
    store.writeBundle(volume, 'BUNDLE');
    expect(names()).toEqual(PUBLIC);
    for (const name of PUBLIC) expect(readFileSync(at(name), 'utf8')).toBe(BUNDLE);
    expect(store.readCredentials(volume)).toBeUndefined();
  });

  it('gives key, chain and both in one, and reads them back', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    expect(names()).toEqual(ALL);
    expect(readFileSync(at('credential-bundle.pem'), 'utf8')).toBe(pairs[0]!.privateKey + pairs[0]!.chain);
    expect(store.readCredentials(volume)).toEqual(pairs[0]);
  });

  it('gives the certificate alone for a key in the token, and leaves no key behind that lay there before', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    store.writeCredentials(volume, { chain: pairs[1]!.chain }, OWNER);
    expect(names()).toEqual([...PUBLIC, 'tls.crt'].sort());
    expect(store.readCredentials(volume)).toEqual({ chain: pairs[1]!.chain });
    const everything = readdirSync(volume.targetPath, { recursive: true, encoding: 'utf8' });
    expect(everything.filter((path) => /key|credential-bundle/.test(path))).toEqual([]);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    expect(store.readCredentials(volume)).toEqual(pairs[0]);
  });

  it('keeps credentials when the bundle changes, and the bundle when credentials do', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    store.writeBundle(volume, 'NEXT\n');
    expect(store.readCredentials(volume)).toEqual(pairs[0]);
    expect(statSync(at('tls.key'))).toMatchObject({ uid: OWNER.uid, gid: OWNER.gid });
    store.writeCredentials(volume, pairs[1]!, OWNER);
    expect(readFileSync(at('ca.crt'), 'utf8')).toBe('NEXT\n');
    expect(store.readCredentials(volume)).toEqual(pairs[1]);
  });

  it('lets the owner alone read the key, and everybody the rest', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    for (const name of ['tls.key', 'credential-bundle.pem']) {
      expect(statSync(at(name)).mode & 0o7777).toBe(0o400);
      expect(readsAs(name, OWNER.uid, 65534)).toBe(true);
      expect(readsAs(name, 65534, OWNER.gid)).toBe(false);
    }
    for (const name of ['ca.crt', 'trust-bundle.pem', 'tls.crt']) {
      expect(statSync(at(name)).mode & 0o7777).toBe(0o444);
      expect(readsAs(name, 65534, 65534)).toBe(true);
    }
  });

  it('lets the fsGroup read the key where there is one', () => {
    const grouped = node.mountedVolume('pod-2', 20003);
    store.add(grouped);
    volume = grouped;
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    expect(statSync(at('tls.key'))).toMatchObject({ uid: OWNER.uid, gid: 20003 });
    expect(statSync(at('tls.key')).mode & 0o7777).toBe(0o440);
    expect(readsAs('tls.key', 65534, 20003)).toBe(true);
    expect(readsAs('tls.key', OWNER.uid, 65534)).toBe(true);
    expect(readsAs('tls.key', 65534, OWNER.gid)).toBe(false);
  });

  it('withdraws credentials wholly, with every copy of the key, and leaves the bundle', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    store.writeCredentials(volume, pairs[1]!, OWNER);
    expect(store.withdraw(volume)).toBe(true);
    expect(names()).toEqual(PUBLIC);
    const search = spawnSync('grep', ['-rlE', 'PRIVATE KEY|BEGIN CERTIFICATE', volume.targetPath], {
      encoding: 'utf8',
    });
    expect(search).toMatchObject({ status: 1, stdout: '' });
    expect(store.withdraw(volume)).toBe(false);
  });

  it('refuses a key that does not belong to the certificate, and writes nothing', () => {
    store.writeBundle(volume, BUNDLE);
    const mixed = { privateKey: pairs[0]!.privateKey, chain: pairs[1]!.chain };
    expect(() => store.writeCredentials(volume, mixed, OWNER)).toThrow('does not match its certificate');
    expect(names()).toEqual(PUBLIC);
  });

  it('reports credentials as absent when key and certificate do not match', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    writeFileSync(at('tls.crt'), pairs[1]!.chain);
    expect(store.readCredentials(volume)).toBeUndefined();
  });

  it('never writes a key to what is not mounted or not published any more', () => {
    unmountAll(volume.targetPath);
    const late = { code: 'NotFound' };
    expect(() => store.writeCredentials(volume, pairs[0]!, OWNER)).toThrow(expect.objectContaining(late));
    expect(readdirSync(volume.targetPath)).toEqual([]);
    const other = node.mountedVolume('pod-3');
    expect(() => store.writeBundle(other, BUNDLE)).toThrow(expect.objectContaining(late));
    expect(store.withdraw(volume)).toBe(false);
  });

  it('keeps what it had when the volume is full', () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    expect(() => store.writeBundle(volume, 'x'.repeat(2 << 20))).toThrow('ENOSPC');
    expect(readFileSync(at('ca.crt'), 'utf8')).toBe(BUNDLE);
    store.writeCredentials(volume, pairs[1]!, OWNER);
    expect(store.readCredentials(volume)).toEqual(pairs[1]);
  });

  it('never shows a mix to a reader that hammers it', async () => {
    store.writeBundle(volume, BUNDLE);
    store.writeCredentials(volume, pairs[0]!, OWNER);
    const reader = join(import.meta.dirname, 'reader.ts');
    const run = { ended: false };
    const reading = promisify(execFile)(process.execPath, [reader, volume.targetPath, '10000'], {
      env: { ...process.env, NODE_OPTIONS: '' },
    }).finally(() => {
      run.ended = true;
    });
    let swaps = 0;
    while (!run.ended) {
      swaps += 1;
      store.writeCredentials(volume, pairs[swaps % pairs.length]!, OWNER);
      await pause(5);
    }
    const found = JSON.parse((await reading).stdout) as Record<string, number>;
    expect(found).toMatchObject({ reads: 10000, mixes: 0, missing: 0, pairs: pairs.length });
    expect(swaps).toBeGreaterThanOrEqual(50);
    // A reader is only ever turned away when two swaps pass between two of its system calls.
    expect(found['retries']).toBeLessThan(100);
  }, 120_000);
});
