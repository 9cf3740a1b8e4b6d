// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Roster } from '../../src/roster.ts';

describe('a roster', () => {
  it('finds things by their numbers while they are there', () => {
    const roster = new Roster<{ name: string }>();
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    const [first, second] = [roster.add(a), roster.add(b)];
    expect([roster.at(first), roster.at(second), roster.size]).toEqual([a, b, 2]);
    roster.remove(first, a);
    expect([roster.at(first), roster.at(second), roster.size]).toEqual([undefined, b, 1]);
    expect(roster.all()).toEqual([b]);
  });

  it('gives a number out again once its thing has gone, which cannot remove the next', () => {
    const roster = new Roster<{ name: string }>();
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    const number = roster.add(a);
    roster.remove(number, a);
    expect(roster.add(b)).toBe(number);
    roster.remove(number, a);
    expect(roster.all()).toEqual([b]);
  });

  it('can be changed while all are gone through', () => {
    const roster = new Roster<{ name: string }>();
    const things = ['a', 'b', 'c'].map((name) => ({ name }));
    const numbers = things.map((thing) => roster.add(thing));
    const seen = roster.all().map((thing, at) => {
      roster.remove(numbers[at]!, thing);
      return thing.name;
    });
    expect([seen, roster.size]).toEqual([['a', 'b', 'c'], 0]);
  });
});
