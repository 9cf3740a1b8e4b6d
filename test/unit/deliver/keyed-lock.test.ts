// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { KeyedLock } from '../../../src/identity/keyed-lock.ts';

describe('KeyedLock', () => {
  it('runs tasks of one key in order, never two at once', async () => {
    const lock = new KeyedLock();
    const order: number[] = [];
    let running = 0;
    const task = async (n: number): Promise<number> => {
      running += 1;
      expect(running).toBe(1);
      await pause(n % 2);
      order.push(n);
      running -= 1;
      return n;
    };
    const results = await Promise.all([0, 1, 2, 3, 4, 5].map((n) => lock.run('a', () => task(n))));
    expect(results).toEqual([0, 1, 2, 3, 4, 5]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('does not let one key wait for another', async () => {
    const lock = new KeyedLock();
    const { promise: never, resolve } = Promise.withResolvers<undefined>();
    const blocked = lock.run('a', () => never);
    await expect(lock.run('b', () => Promise.resolve('b'))).resolves.toBe('b');
    resolve(undefined);
    await blocked;
  });

  it('goes on after a task that failed, and tells only its own caller', async () => {
    const lock = new KeyedLock();
    const failed = lock.run('a', () => Promise.reject(new Error('no')));
    const next = lock.run('a', () => Promise.resolve('yes'));
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });
});
