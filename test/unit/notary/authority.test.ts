// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { Authority } from '../../../src/notary/authority.ts';
import { issueLeaf } from '../../../src/notary/issuing.ts';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { CONFIGURATION, recordedLog, REQUEST, SettableClock, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const HOUR = 3_600_000;

class Setting {
  readonly folder = temporaryFolder();
  readonly clock = new SettableClock();
  token = new MemoryToken();
  configuration: NotaryConfiguration = CONFIGURATION;

  start(): Authority {
    const root = this.token.open();
    const state = new StateFolder(this.folder);
    const { configuration, clock } = this;
    const { issuer: settings } = configuration;
    if ('preloaded' in settings) throw new Error('not the issuer of these tests');
    return new Authority({ root, configuration, settings, state, clock, log: recordedLog().log });
  }

  issue(authority: Authority): X509Certificate {
    const { trustDomain } = this.configuration;
    const profile = { trustDomain, maxLeafSeconds: 3600, isOwnKey: () => false };
    return new X509Certificate(issueLeaf(authority, profile, REQUEST, this.clock.now()).chain[0]!);
  }

  get recordFile(): string {
    return join(this.folder, 'authority.json');
  }
}

/** Whether one of the anchors has signed the leaf. */
function isAnchored(leaf: X509Certificate, authority: Authority): boolean {
  return authority.anchors.some((der) => leaf.verify(new X509Certificate(der).publicKey));
}

describe("the node's authority", () => {
  it('makes a key under a label that names trust domain and node, and a CA that lives as long as asked', () => {
    const setting = new Setting();
    const authority = setting.start();
    expect([...setting.token.keys.keys()]).toEqual(['keystead-issuer:edge.example:node-1:1']);
    const { notAfter } = authority.issuer.entry.certificate.validity;
    expect(notAfter).toBe(setting.clock.time + 86_399_000);
    expect(isAnchored(setting.issue(authority), authority)).toBe(true);
  });

  it('is the same after a restart', () => {
    const setting = new Setting();
    const [before, after] = [setting.start(), setting.start()];
    expect(after.anchors).toEqual(before.anchors);
    expect(setting.token.keys.size).toBe(1);
  });

  it.each([
    ['gone', (file: string) => rmSync(file)],
    ['cut', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 40))],
    ['of another form', (file: string) => writeFileSync(file, '{"format":2}')],
  ])('issues its certificate again where the file is %s but the key lives, and old leaves stay good', (_, harm) => {
    const setting = new Setting();
    const leaf = setting.issue(setting.start());
    harm(setting.recordFile);
    const after = setting.start();
    expect(setting.token.keys.size).toBe(1);
    expect(isAnchored(leaf, after)).toBe(true);
  });

  it('makes a new key where the key is gone, and keeps the old certificate an anchor', () => {
    const setting = new Setting();
    const before = setting.start();
    const leaf = setting.issue(before);
    setting.token = new MemoryToken('0002');
    const after = setting.start();
    expect(after.anchors).toHaveLength(2);
    expect(after.anchors[1]).toEqual(before.anchors[0]);
    expect(isAnchored(leaf, after)).toBe(true);
    expect(setting.start().anchors).toEqual(after.anchors);
  });

  it('keeps an old anchor no longer than it is valid', () => {
    const setting = new Setting();
    setting.start();
    setting.token.keys.clear();
    setting.start();
    setting.clock.time += 25 * HOUR;
    const late = setting.start();
    late.maintain();
    expect(late.anchors).toHaveLength(1);
  });

  it('takes up a key that a crash left without a certificate', () => {
    const setting = new Setting();
    setting.token.open().generate('keystead-issuer:edge.example:node-1:1', 'EC-P256');
    setting.start();
    expect([...setting.token.keys.keys()]).toEqual(['keystead-issuer:edge.example:node-1:1']);
  });

  it("leaves another node's keys alone", () => {
    const setting = new Setting();
    setting.token.open().generate('keystead-issuer:edge.example:node-11:1', 'EC-P256');
    setting.start();
    expect(setting.token.keys.size).toBe(2);
  });
});

describe("the authority's rollover", () => {
  it('publishes the next CA, then issues from it, then drops the former and destroys its key', () => {
    const setting = new Setting();
    const authority = setting.start();
    const first = authority.anchors[0]!;
    setting.clock.time += 17 * HOUR;
    authority.maintain();
    expect(authority.anchors).toHaveLength(2);
    expect(authority.issuer.entry.der).toEqual(first);
    const oldLeaf = setting.issue(authority);

    setting.clock.time += 3 * HOUR;
    authority.maintain();
    expect(authority.issuer.entry.der).not.toEqual(first);
    expect(authority.anchors).toContainEqual(first);
    expect(isAnchored(oldLeaf, authority)).toBe(true);
    expect(isAnchored(setting.issue(authority), authority)).toBe(true);

    setting.clock.time += 2 * HOUR;
    authority.maintain();
    expect(authority.anchors).toHaveLength(1);
    expect([...setting.token.keys.keys()]).toEqual(['keystead-issuer:edge.example:node-1:2']);
  });

  it('goes on after a restart between the steps', () => {
    const setting = new Setting();
    setting.start();
    setting.clock.time += 17 * HOUR;
    const prepared = setting.start();
    expect(prepared.anchors).toHaveLength(2);
    expect(setting.start().anchors).toEqual(prepared.anchors);
    setting.clock.time += 3 * HOUR;
    expect(setting.start().issuer.entry.generation).toBe(2);
  });

  it('rolls over to another key algorithm', () => {
    const setting = new Setting();
    setting.start();
    setting.configuration = { ...CONFIGURATION, issuer: { ...CONFIGURATION.issuer, algorithm: 'EC-P384' } };
    const authority = setting.start();
    expect(authority.issuer.key.algorithm).toBe('EC-P256');
    setting.clock.time += 3 * HOUR;
    authority.maintain();
    expect(authority.issuer.key.algorithm).toBe('EC-P384');
    expect(isAnchored(setting.issue(authority), authority)).toBe(true);
  });

  it('goes on issuing where the token has no room for the next key', () => {
    const setting = new Setting();
    const authority = setting.start();
    setting.clock.time += 17 * HOUR;
    setting.token.generationFailure = new KeysteadError('TokenFull', 'full');
    authority.maintain();
    expect(authority.anchors).toHaveLength(1);
    expect(isAnchored(setting.issue(authority), authority)).toBe(true);
    setting.token.generationFailure = undefined;
    authority.maintain();
    expect(authority.anchors).toHaveLength(2);
  });

  it('says so where the CA has ended and the token has no room for another', () => {
    const setting = new Setting();
    const authority = setting.start();
    setting.clock.time += 100 * HOUR;
    setting.token.generationFailure = new KeysteadError('TokenFull', 'full');
    expect(() => authority.maintain()).toThrow(expect.objectContaining({ code: 'TokenFull' }));
  });

  it('is issuing again after a time without power that outlasted the CA', () => {
    const setting = new Setting();
    setting.start();
    setting.clock.time += 100 * HOUR;
    const authority = setting.start();
    expect(isAnchored(setting.issue(authority), authority)).toBe(true);
  });

  it('knows all of its own keys, for none of them may become a subject key', () => {
    const setting = new Setting();
    const authority = setting.start();
    setting.clock.time += 17 * HOUR;
    authority.maintain();
    for (const key of setting.token.keys.values()) expect(authority.isOwnKey(key.publicKey)).toBe(true);
    expect(authority.isOwnKey(REQUEST.publicKey)).toBe(false);
  });
});
