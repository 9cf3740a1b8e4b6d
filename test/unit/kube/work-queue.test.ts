// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { WorkQueue } from '../../../src/kube/work-queue.ts';

describe('a work queue', () => {
  let queue: WorkQueue;
  beforeEach(() => {
    queue = new WorkQueue();
  });
  afterEach(() => queue.stop());

  it('gives keys out in the order in which they came, each once', async () => {
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
    expect(queue.depth).toBe(3);
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['a', 'b', 'c']);
  });

  it('does not give a key out while it is worked on, but again afterwards', async () => {
    queue.add('a');
    await queue.take();
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect(await queue.take()).toBe('b');
    expect(queue.depth).toBe(1);
    queue.done('a');
    expect(await queue.take()).toBe('a');
    queue.done('a');
    expect(queue.depth).toBe(0);
  });

  it('hands a key to one that waits', async () => {
    const first = queue.take();
    const second = queue.take();
    queue.add('a');
    queue.add('b');
    expect([await first, await second]).toEqual(['a', 'b']);
    expect(queue.working).toBe(2);
  });

  it('collapses many additions of few keys', async () => {
    for (let index = 0; index < 50_000; index += 1) queue.add(`key-${index % 500}`);
    expect(queue.depth).toBe(500);
    let taken = 0;
    while (queue.depth > 0) {
      queue.done((await queue.take()) ?? '');
      taken += 1;
    }
    expect(taken).toBe(500);
  });

  it('gives nothing out after it was stopped', async () => {
    const waiting = queue.take();
    queue.add('a');
    queue.add('b');
    queue.stop();
    queue.add('c');
    expect(await waiting).toBe('a');
    expect(await queue.take()).toBeUndefined();
    expect(queue.depth).toBe(0);
  });

  it('lets those that wait go when it is stopped', async () => {
    const waiting = queue.take();
    queue.stop();
    expect(await waiting).toBeUndefined();
  });

  describe('with delays', () => {
    beforeEach(() => {
      jest.useFakeTimers();
      queue = new WorkQueue();
    });
    afterEach(() => void jest.useRealTimers());

    it('makes a key ready at the earliest of its times', () => {
      queue.addAfter('a', 500);
      queue.addAfter('a', 200);
      queue.addAfter('a', 900);
      jest.advanceTimersByTime(199);
      expect(queue.depth).toBe(0);
      jest.advanceTimersByTime(1);
      expect(queue.depth).toBe(1);
      jest.advanceTimersByTime(1000);
      expect(queue.depth).toBe(1);
    });

    it('drops the delay of a key that becomes ready at once', async () => {
      queue.addAfter('a', 500);
      queue.add('a');
      expect(await queue.take()).toBe('a');
      queue.done('a');
      jest.advanceTimersByTime(1000);
      expect(queue.depth).toBe(0);
    });

    it('waits for times beyond the reach of a timer', () => {
      const days30 = 30 * 24 * 3_600_000;
      queue.addAfter('a', days30);
      jest.advanceTimersByTime(days30 - 1000);
      expect(queue.depth).toBe(0);
      jest.advanceTimersByTime(1001);
      expect(queue.depth).toBe(1);
    });

    it('makes those keys ready whose time has come while the machine slept, and no others', async () => {
      queue.addAfter('a', 3_600_000);
      queue.addAfter('b', 7_200_000);
      jest.advanceTimersByTime(60_000);
      expect(queue.depth).toBe(0);
      // Asleep the clock goes on, and timers do not.
      jest.setSystemTime(Date.now() + 3_600_000);
      jest.advanceTimersByTime(5_000);
      expect(queue.depth).toBe(1);
      expect(await queue.take()).toBe('a');
    });

    it('waits no longer where the clock is set back meanwhile', () => {
      queue.addAfter('a', 500);
      jest.setSystemTime(Date.now() - 3_600_000);
      jest.advanceTimersByTime(500);
      expect(queue.depth).toBe(1);
    });

    it('forgets delays when it is stopped', () => {
      queue.addAfter('a', 10);
      queue.stop();
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});
