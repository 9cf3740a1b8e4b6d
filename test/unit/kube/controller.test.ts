// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { Controller, type Reconcile } from '../../../src/kube/controller.ts';
import { createLogger } from '../../../src/log.ts';

const log = createLogger('test', 'silent');
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let stop: AbortController;
let running: Promise<void>;
let outcomes: string[];

beforeEach(() => {
  stop = new AbortController();
  outcomes = [];
});

afterEach(async () => {
  stop.abort();
  await running;
});

function start(reconcile: Reconcile, concurrency = 4): Controller {
  const observer = { reconciled: (name: string, outcome: string) => void outcomes.push(`${name} ${outcome}`) };
  const backOff = { initialMs: 5, maxMs: 20 };
  const controller = new Controller({ name: 'test', reconcile, log, concurrency, backOff, observer });
  running = controller.run(stop.signal);
  return controller;
}

describe('a controller', () => {
  it('never works on one key twice at a time, and on several at once', async () => {
    const active = new Map<string, number>();
    let mostAtOnce = 0;
    const controller = start(async (key) => {
      expect(active.get(key) ?? 0).toBe(0);
      active.set(key, 1);
      mostAtOnce = Math.max(
        mostAtOnce,
        [...active.values()].reduce((sum, count) => sum + count),
      );
      await sleep(5);
      active.set(key, 0);
    });
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 10; index += 1) controller.enqueue(`key-${index}`);
      await sleep(4);
    }
    await sleep(60);
    expect(mostAtOnce).toBe(4);
    expect(outcomes.every((outcome) => outcome === 'test success')).toBe(true);
    expect(controller.depth).toBe(0);
  });

  it('tries again after a failure until it succeeds', async () => {
    let calls = 0;
    const controller = start(() => {
      calls += 1;
      return calls < 4 ? Promise.reject(new Error('not yet')) : Promise.resolve();
    });
    controller.enqueue('a');
    await sleep(150);
    expect(outcomes).toEqual(['test retry', 'test retry', 'test retry', 'test success']);
  });

  it('lets a key rest after an error that trying again cannot cure, until it is enqueued', async () => {
    const controller = start(() => Promise.reject(new KeysteadError('InvalidConfiguration', 'wrong')));
    controller.enqueue('a');
    await sleep(60);
    expect(outcomes).toEqual(['test terminal']);
    controller.enqueue('a');
    await sleep(20);
    expect(outcomes).toHaveLength(2);
  });

  it('looks again after the time that the reconciler asks for', async () => {
    let calls = 0;
    const controller = start(() => {
      calls += 1;
      return Promise.resolve(calls === 1 ? { requeueAfterMs: 20 } : {});
    });
    controller.enqueue('a');
    await sleep(80);
    expect(calls).toBe(2);
  });

  it('ends only after the work in progress, and can be run again', async () => {
    let finished = 0;
    const controller = start(async () => {
      await sleep(30);
      finished += 1;
    });
    controller.enqueue('a');
    await sleep(5);
    stop.abort();
    await running;
    expect(finished).toBe(1);
    stop = new AbortController();
    controller.enqueue('b');
    running = controller.run(stop.signal);
    await sleep(50);
    expect(finished).toBe(2);
  });
});
