// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IssuedCredentials, type IssuedCredential } from '../../../src/notary/issued-credentials.ts';

const NOW = Date.parse('2026-11-01T00:00:00Z');
const CAPACITY = 16;
const TO = { podUid: 'pod-1', identity: 'plant/press' };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'keystead-issued-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const open = (): IssuedCredentials => new IssuedCredentials({ folder, clock: { now: () => NOW }, capacity: CAPACITY });

function credential(kind: IssuedCredential['kind'], number: number): IssuedCredential {
  const id = number.toString(16).padStart(32, '0');
  return { kind, id, issuer: kind === 'Token' ? '' : 'ab'.repeat(8), until: NOW + 60_000 + number * 1000 };
}

const ids = (issued: IssuedCredentials, kind: IssuedCredential['kind']): number[] =>
  issued.living(TO.podUid).flatMap((each) => (each.kind === kind ? [parseInt(each.id, 16)] : []));

describe('what was issued', () => {
  it('is remembered though a module asks for more tokens than are', () => {
    const issued = open();
    issued.note(TO, credential('Certificate', 1));
    for (let number = 2; number < 100; number++) issued.note(TO, credential('Token', number));
    expect(ids(issued, 'Certificate')).toEqual([1]);
    // Of the tokens themselves the newest.
    expect(ids(issued, 'Token').sort((a, b) => a - b)).toEqual([92, 93, 94, 95, 96, 97, 98, 99]);
    issued.close();
  });

  it('goes on behind the newest of each kind after a restart', () => {
    const before = open();
    for (let number = 1; number <= 10; number++) before.note(TO, credential('Certificate', number));
    for (let number = 11; number <= 13; number++) before.note(TO, credential('Token', number));
    before.commit();
    before.close();
    const after = open();
    after.note(TO, credential('Certificate', 20));
    after.note(TO, credential('Token', 21));
    expect(ids(after, 'Certificate').sort((a, b) => a - b)).toEqual([4, 5, 6, 7, 8, 9, 10, 20]);
    expect(ids(after, 'Token').sort((a, b) => a - b)).toEqual([11, 12, 13, 21]);
    after.close();
  });
});
