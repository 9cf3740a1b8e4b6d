// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Ledger } from '../../../src/runtime/ledger.ts';

const starting = { phase: 'Starting', containerId: 'c', podUid: 'p', pid: 1 } as const;
const started = { phase: 'Started', containerId: 'c', pid: 1 } as const;
const exited = { phase: 'Exited', containerId: 'c' } as const;

describe('ledger of container starts', () => {
  it('lets each phase pass once, and knows the pod from what came before', () => {
    const ledger = new Ledger();
    expect(ledger.admit(starting)).toEqual(starting);
    expect(ledger.admit(starting)).toBeUndefined();
    expect(ledger.admit(started)).toEqual({ ...started, podUid: 'p' });
    expect(ledger.admit({ ...started, podUid: 'p' })).toBeUndefined();
    expect(ledger.admit(starting)).toBeUndefined();
    expect(ledger.admit(exited)).toEqual({ ...exited, podUid: 'p' });
    expect(ledger.admit(exited)).toBeUndefined();
    expect(ledger.holds('c')).toBe(false);
  });

  it('tells of an exit of what never came to run', () => {
    const ledger = new Ledger();
    ledger.admit(starting);
    expect(ledger.admit(exited)).toMatchObject(exited);
  });

  it('lets news of a container that runs pass as often as they come, and none of one that is not known', () => {
    const ledger = new Ledger();
    const entered = { phase: 'Entered', containerId: 'c', pid: 2 } as const;
    expect(ledger.admit(entered)).toBeUndefined();
    ledger.admit({ ...started, podUid: 'p' });
    expect(ledger.admit(entered)).toEqual({ ...entered, podUid: 'p' });
    expect(ledger.admit(entered)).toEqual({ ...entered, podUid: 'p' });
    expect(ledger.admit(started)).toBeUndefined();
    expect(ledger.admit(exited)).toMatchObject(exited);
  });

  it('finds what was missed', () => {
    const ledger = new Ledger();
    ledger.admit({ ...started, containerId: 'gone' });
    ledger.admit({ ...started, containerId: 'stays' });
    ledger.admit({ ...starting, containerId: 'began' });
    ledger.beginList();
    const missed = ledger.missed([
      { id: 'stays', podUid: 'p', running: true },
      { id: 'began', podUid: 'p', running: true },
      { id: 'came', podUid: 'q', running: true },
      { id: 'made', podUid: 'q', running: false },
    ]);
    expect(missed).toEqual([
      { phase: 'Exited', containerId: 'gone' },
      { phase: 'Started', containerId: 'began', podUid: 'p' },
      { phase: 'Started', containerId: 'came', podUid: 'q' },
    ]);
  });

  it('believes events over a list that was under way', () => {
    const ledger = new Ledger();
    ledger.admit({ ...started, containerId: 'ended' });
    ledger.beginList();
    ledger.admit({ ...exited, containerId: 'ended' });
    ledger.admit({ ...started, containerId: 'came' });
    expect(ledger.missed([{ id: 'ended', podUid: 'p', running: true }])).toEqual([]);
  });

  it('keeps events for that only while a list is under way, so that it does not grow with them', () => {
    const ledger = new Ledger();
    ledger.beginList();
    ledger.admit({ ...started, containerId: 'meanwhile' });
    expect(ledger.missed([])).toEqual([]);
    ledger.admit({ ...started, containerId: 'afterwards' });
    expect(ledger.missed([])).toEqual([
      { phase: 'Exited', containerId: 'meanwhile' },
      { phase: 'Exited', containerId: 'afterwards' },
    ]);
  });
});
