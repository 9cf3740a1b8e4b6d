// SPDX-License-Identifier: Apache-2.0
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { IssuedKeys } from '../../../src/notary/issued-keys.ts';
import { freshPublicKey } from '../issue/samples.ts';
import { SettableClock, temporaryFolder } from './fixtures.ts';

const PRESS = 'spiffe://edge.example/ns/factory/module/press';
const LATHE = 'spiffe://edge.example/ns/factory/module/lathe';
const HOUR = 3_600_000;

class Setting {
  readonly folder = temporaryFolder();
  readonly clock = new SettableClock();
  readonly key = freshPublicKey();

  open(capacity?: number): IssuedKeys {
    return new IssuedKeys({ folder: this.folder, clock: this.clock, ...(capacity !== undefined && { capacity }) });
  }

  noted(capacity?: number): IssuedKeys {
    const keys = this.open(capacity);
    keys.note(this.key, PRESS, this.clock.time + HOUR);
    keys.commit();
    return keys;
  }
}

const refused = expect.objectContaining({
  code: 'ProfileViolation',
  message: expect.stringContaining('another module'),
});

describe('the memory of certified keys', () => {
  it('refuses the key of another module and takes that of the same again', () => {
    const setting = new Setting();
    const keys = setting.noted();
    expect(() => keys.check(setting.key, LATHE)).toThrow(refused);
    expect(() => keys.check(setting.key, PRESS)).not.toThrow();
    expect(() => keys.check(freshPublicKey(), LATHE)).not.toThrow();
  });

  it('outlives the process', () => {
    const setting = new Setting();
    setting.noted();
    expect(() => setting.open().check(setting.key, LATHE)).toThrow(refused);
  });

  it('frees a key when its certificate has ended', () => {
    const setting = new Setting();
    const keys = setting.noted();
    setting.clock.time += HOUR + 1000;
    expect(() => keys.check(setting.key, LATHE)).not.toThrow();
  });

  it('stays bounded: the keys noted first are forgotten first, after a restart too', () => {
    const setting = new Setting();
    setting.noted(8);
    const keys = setting.open(8);
    const later = Array.from({ length: 8 }, () => freshPublicKey());
    for (const [index, key] of later.entries()) keys.note(key, PRESS, setting.clock.time + HOUR + (index + 1) * 1000);
    keys.commit();
    const after = setting.open(8);
    expect(() => after.check(setting.key, LATHE)).not.toThrow();
    for (const key of later) expect(() => after.check(key, LATHE)).toThrow(refused);
  });

  describe('after a restart', () => {
    /** What is noted first ends long after the others. */
    const noted = (keys: IssuedKeys, setting: Setting, count: number): Buffer[] => {
      const made = Array.from({ length: count }, () => freshPublicKey());
      for (const [index, key] of made.entries()) keys.note(key, PRESS, setting.clock.time + (index ? 1 : 24) * HOUR);
      keys.commit();
      keys.close();
      return made;
    };
    const note = (keys: IssuedKeys, setting: Setting): void => {
      keys.note(freshPublicKey(), PRESS, setting.clock.time + HOUR);
      keys.commit();
    };
    const remembered = (keys: IssuedKeys, key: Buffer): boolean => {
      try {
        keys.check(key, LATHE);
        return false;
      } catch (thrown) {
        expect(thrown).toEqual(refused);
        return true;
      }
    };

    it.each([3, 7, 8, 9, 10, 17, 18, 19])(
      'the oldest of %d keys alone are forgotten, and where there is room none',
      (count) => {
        const setting = new Setting();
        const keys = setting.open(8);
        const earlier = Array.from({ length: Math.max(count - 5, 0) }, () => freshPublicKey());
        for (const key of earlier) keys.note(key, PRESS, setting.clock.time + HOUR);
        const all = [...earlier, ...noted(keys, setting, count - earlier.length)];
        let after = setting.open(8);
        expect(all.filter((key) => remembered(after, key))).toEqual(all.slice(-8));
        for (let more = 1; more <= 8; more++) {
          note(after, setting);
          const forgotten = Math.max(all.length + more - 8, 0);
          expect(all.filter((key) => remembered(after, key))).toEqual(all.slice(forgotten));
          after.close();
          after = setting.open(8);
        }
      },
    );

    it('goes on behind what ends last in a file that an earlier version has filled to the last slot', () => {
      const setting = new Setting();
      // One slot more than a memory of 7 keys has: none of it is left empty.
      const all = noted(setting.open(8), setting, 8);
      const after = setting.open(7);
      expect(all.filter((key) => remembered(after, key))).toEqual(all);
      note(after, setting);
      expect(all.filter((key) => remembered(after, key))).toEqual([all[0], ...all.slice(3)]);
      note(after, setting);
      expect(all.filter((key) => remembered(after, key))).toEqual([all[0], ...all.slice(4)]);
    });
  });

  it('reads over an entry that was written in part', () => {
    const setting = new Setting();
    setting.noted();
    appendFileSync(join(setting.folder, 'issued-keys'), Buffer.alloc(7, 0xff));
    expect(() => setting.open().check(setting.key, LATHE)).toThrow(refused);
  });
});
