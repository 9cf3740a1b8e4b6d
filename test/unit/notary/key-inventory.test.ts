// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { KeyInventory } from '../../../src/notary/key-inventory.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { recordedLog, SettableClock, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

class Place {
  readonly folder = temporaryFolder();
  readonly clock = new SettableClock();
  readonly token = new MemoryToken();

  open(): KeyInventory {
    const state = new StateFolder(this.folder);
    return new KeyInventory({ state, clock: this.clock, log: recordedLog().log, document: 'key-ledger' });
  }
}

describe('the key inventory', () => {
  it('knows what keys are for, whose they are, when they were made and last used', () => {
    const place = new Place();
    const inventory = place.open();
    const root = inventory.watch(place.token.open());
    const issuer = root.generate('keystead-issuer:edge.example:node-1:1', 'EC-P384');
    root.generate('keystead-module:edge.example:node-1:0c1d:2', 'EC-P256');
    root.generateSecret('keystead-master:edge.example:node-1:1');
    root.importSecret('keystead-hub:edge.example:node-1:primary:g:a:b', Buffer.alloc(32));
    const made = place.clock.time;
    place.clock.time += 1000;
    issuer.sign(Buffer.from('x'));
    const common = { sensitive: true, extractable: false, created: made };
    expect(inventory.list()).toEqual([
      { ...common, purpose: 'Issuer', algorithm: 'EC-P384', uri: issuer.uri, lastUsed: made + 1000 },
      expect.objectContaining({ ...common, purpose: 'Master', algorithm: 'HMAC' }),
      expect.objectContaining({ purpose: 'Hub', owner: 'a:b', algorithm: 'HMAC' }),
      expect.objectContaining({ ...common, purpose: 'Module', owner: '0c1d', algorithm: 'EC-P256' }),
    ]);
  });

  it('remembers over restarts, and forgets what was destroyed or is gone', () => {
    const place = new Place();
    const inventory = place.open();
    const root = inventory.watch(place.token.open());
    for (const label of ['a', 'b', 'c']) root.generate(label, 'EC-P256');
    root.destroy('a');
    inventory.flush();
    const again = place.open();
    expect(again.list()).toEqual(inventory.list());
    expect(again.list()).toHaveLength(2);
    place.token.keys.delete('b');
    again.reconcile([again.watch(place.token.open())]);
    expect(again.list().map(({ uri }) => uri)).toEqual(['pkcs11:object=c']);
  });

  it('takes up keys that were there before it, of unknown age', () => {
    const place = new Place();
    place.token.open().generate('a', 'EC-P256');
    const inventory = place.open();
    inventory.watch(place.token.open()).find('a');
    expect(inventory.list()).toEqual([expect.not.objectContaining({ created: expect.anything() })]);
  });

  it('starts over where its document is unreadable', () => {
    const place = new Place();
    writeFileSync(join(place.folder, 'key-ledger.json'), '{"format":1,"keys":[{}]}');
    expect(place.open().list()).toEqual([]);
  });
});
