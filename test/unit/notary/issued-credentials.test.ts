// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IssuedCredentials } from '../../../src/notary/issued-credentials.ts';
import type { IssuedCredential } from '../../../src/notary/issued-entry.ts';

const NOW = Date.parse('2026-11-01T00:00:00Z');
/** Of which one pod may have four certificates, and as many tokens. */
const CAPACITY = 128;
const TO = { podUid: 'pod-1', identity: 'plant/press' };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'keystead-issued-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const open = (now = () => NOW): IssuedCredentials =>
  new IssuedCredentials({ folder, clock: { now }, capacity: CAPACITY });

function credential(kind: IssuedCredential['kind'], number: number): IssuedCredential {
  const id = number.toString(16).padStart(32, '0');
  return { kind, id, issuer: kind === 'Token' ? '' : 'ab'.repeat(8), until: NOW + 60_000 + number * 1000 };
}

const ids = (issued: IssuedCredentials, kind: IssuedCredential['kind'], podUid = TO.podUid): number[] =>
  issued
    .living(podUid)
    .flatMap((each) => (each.kind === kind ? [parseInt(each.id, 16)] : []))
    .sort((a, b) => a - b);

/** As often as there are numbers, in a pod of its own each. */
const others = (issued: IssuedCredentials, kind: IssuedCredential['kind'], count: number): void => {
  for (let number = 1; number <= count; number++)
    issued.note({ podUid: `other-${number}`, identity: 'plant/robot' }, credential(kind, 1_000 + number));
};

describe('what was issued', () => {
  it('is remembered though a module asks for more tokens than are', () => {
    const issued = open();
    others(issued, 'Token', 32);
    const before = Array.from({ length: 32 }, (_, index) => ids(issued, 'Token', `other-${index + 1}`));
    issued.note(TO, credential('Certificate', 1));
    for (let number = 2; number < 100; number++) issued.note(TO, credential('Token', number));
    expect(ids(issued, 'Certificate')).toEqual([1]);
    // Of its tokens the newest, and of the others' all but those of the few that share its part.
    expect(ids(issued, 'Token')).toEqual([96, 97, 98, 99]);
    const after = before.map((_, index) => ids(issued, 'Token', `other-${index + 1}`));
    const lost = before.filter((tokens, index) => tokens.length > 0 && after[index]?.length === 0);
    expect(lost.length).toBeLessThanOrEqual(4);
    issued.close();
  });

  it('goes on behind the newest of each kind after a restart', () => {
    const before = open();
    others(before, 'Certificate', 62);
    for (let number = 1; number <= 4; number++) before.note(TO, credential('Certificate', 2_000 + number));
    for (let number = 11; number <= 15; number++) before.note(TO, credential('Token', number));
    before.commit();
    before.close();
    const after = open();
    after.note(TO, credential('Certificate', 3_000));
    after.note(TO, credential('Token', 21));
    expect(ids(after, 'Certificate')).toEqual([2_001, 2_002, 2_003, 2_004, 3_000]);
    expect(ids(after, 'Certificate', 'other-3')).toEqual([]);
    expect(ids(after, 'Certificate', 'other-4')).toEqual([1_004]);
    expect(ids(after, 'Token')).toEqual([13, 14, 15, 21]);
    after.close();
  });
});

describe('after a restart', () => {
  const HOURS = 3_600_000;
  /** Of a pod each; the first ends long after the others. */
  const mixed = (issued: IssuedCredentials): void => {
    issued.note(
      { podUid: 'long', identity: 'plant/robot' },
      { ...credential('Certificate', 1), until: NOW + 24 * HOURS },
    );
    for (let number = 2; number <= 8; number++)
      issued.note({ podUid: `short-${number}`, identity: 'plant/robot' }, credential('Certificate', number));
    issued.commit();
    issued.close();
  };

  it('nothing that lives is forgotten while there is room, however long what was noted first lasts', () => {
    mixed(open());
    const after = open();
    others(after, 'Certificate', CAPACITY / 2 - 8);
    for (let number = 2; number <= 8; number++) expect(ids(after, 'Certificate', `short-${number}`)).toEqual([number]);
    // The circle is full, and what was noted first is forgotten first.
    after.note(TO, credential('Certificate', 3_000));
    expect(ids(after, 'Certificate', 'long')).toEqual([]);
    expect(ids(after, 'Certificate', 'short-2')).toEqual([2]);
    after.close();
  });

  it('the same holds in a later round, and with the tokens', () => {
    const before = open();
    others(before, 'Certificate', CAPACITY / 2);
    for (let number = 11; number <= 16; number++)
      before.note(TO, { ...credential('Token', number), until: NOW + (20 - number) * HOURS });
    mixed(before);
    const after = open();
    after.note(TO, credential('Token', 21));
    expect(ids(after, 'Token')).toEqual([14, 15, 16, 21]);
    after.note(TO, credential('Certificate', 3_000));
    expect(ids(after, 'Certificate', 'long')).toEqual([1]);
    expect(ids(after, 'Certificate', 'short-2')).toEqual([2]);
    expect(ids(after, 'Certificate', 'other-9')).toEqual([]);
    expect(ids(after, 'Certificate', 'other-10')).toEqual([1_010]);
    after.close();
  });

  it('goes on behind the last entry of a file that an earlier version wrote, which counted no rounds', () => {
    const before = open();
    others(before, 'Certificate', 3);
    before.commit();
    before.close();
    const path = join(folder, 'issued-credentials');
    const file = readFileSync(path);
    for (let entry = 0; entry < 3; entry++) file.fill(0, entry * 64 + 60, entry * 64 + 63);
    writeFileSync(path, file);
    const after = open();
    after.note(TO, credential('Certificate', 9));
    for (const number of [1, 2, 3]) expect(ids(after, 'Certificate', `other-${number}`)).toEqual([1_000 + number]);
    expect(ids(after, 'Certificate')).toEqual([9]);
    after.close();
  });
});

describe('a pod that asks for certificates without end', () => {
  const OTHER = { podUid: 'pod-2', identity: 'plant/robot' };
  const full = (issued: IssuedCredentials): void => {
    for (let number = 1; number <= 4; number++) {
      issued.admit(TO);
      issued.note(TO, credential('Certificate', number));
    }
  };

  it('is refused with the time when the first of them ends, and others are not', () => {
    const issued = open();
    full(issued);
    expect(() => issued.admit(TO)).toThrow(
      expect.objectContaining({
        code: 'Overloaded',
        retryAfterMs: 61_001,
        message: expect.stringContaining('00:01:01'),
      }),
    );
    expect(() => issued.admit(OTHER)).not.toThrow();
    issued.close();
  });

  it('is so after a restart too', () => {
    const before = open();
    full(before);
    before.commit();
    before.close();
    const after = open();
    expect(() => after.admit(TO)).toThrow('at most 4 certificates');
    expect(() => after.admit(OTHER)).not.toThrow();
    after.close();
  });

  it('may have others when the first has ended, one for each that has', () => {
    let now = NOW;
    const issued = open(() => now);
    full(issued);
    expect(() => issued.admit(TO)).toThrow('at most 4');
    now = NOW + 62_500;
    for (const number of [20, 21]) {
      issued.admit(TO);
      issued.note(TO, credential('Certificate', number));
    }
    expect(() => issued.admit(TO)).toThrow('at most 4');
    expect(ids(issued, 'Certificate')).toEqual([3, 4, 20, 21]);
    issued.close();
  });

  it('may have others when what it had was revoked', () => {
    const issued = open();
    full(issued);
    issued.forget(issued.living(TO.podUid).slice(0, 1));
    issued.admit(TO);
    issued.note(TO, credential('Certificate', 9));
    expect(() => issued.admit(TO)).toThrow('at most 4');
    issued.close();
  });

  it('leaves some for the renewal of its files where it asks itself', () => {
    let now = NOW;
    // A pod may have 64 of these.
    const issued = new IssuedCredentials({ folder, clock: { now: () => now }, capacity: 2_048 });
    const note = (number: number, until = NOW + 120_000): void =>
      issued.note(TO, { ...credential('Certificate', number), until });
    for (let number = 1; number <= 62; number++) {
      issued.admit(TO, true);
      note(number);
    }
    expect(() => issued.admit(TO, true)).toThrow('at most 62 certificates of a pod that have not ended where it asks');
    expect(() => issued.admit(OTHER, true)).not.toThrow();
    for (const number of [63, 64]) {
      issued.admit(TO);
      note(number, NOW + 60_000);
    }
    expect(() => issued.admit(TO)).toThrow('at most 64 certificates of a pod that have not ended, found');
    // The renewals end before what the module has asked for.
    now = NOW + 61_000;
    expect(() => issued.admit(TO)).not.toThrow();
    expect(() => issued.admit(TO, true)).toThrow('at most 62');
    issued.close();
  });

  it('keeps its tokens apart', () => {
    const issued = open();
    for (let number = 1; number <= 8; number++) issued.note(TO, credential('Token', number));
    expect(() => issued.admit(TO)).not.toThrow();
    full(issued);
    issued.close();
  });
});
