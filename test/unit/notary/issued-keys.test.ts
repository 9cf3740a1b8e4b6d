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

  it('reads over an entry that was written in part', () => {
    const setting = new Setting();
    setting.noted();
    appendFileSync(join(setting.folder, 'issued-keys'), Buffer.alloc(7, 0xff));
    expect(() => setting.open().check(setting.key, LATHE)).toThrow(refused);
  });
});
