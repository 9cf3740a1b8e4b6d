// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { TokenBucket } from '../../../src/os/token-bucket.ts';

const lasts = async (work: Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work;
  return performance.now() - startedAt;
};

describe('a token bucket', () => {
  it('gives what it holds at once, and more at its rate', async () => {
    const bucket = new TokenBucket(100, 100);
    expect(await lasts(bucket.take(100))).toBeLessThan(400);
    expect(await lasts(bucket.take(50))).toBeGreaterThan(40);
  });

  it('has those wait who come while others do, in their order', async () => {
    const bucket = new TokenBucket(1000, 10);
    const order: number[] = [];
    const all = [1, 2, 3].map((each) => bucket.take(20).then(() => order.push(each)));
    expect(await lasts(Promise.all(all))).toBeGreaterThan(40);
    expect(order).toEqual([1, 2, 3]);
  });

  it('fills again, and no further than its brim', async () => {
    const bucket = new TokenBucket(50, 30);
    await bucket.take(30);
    await new Promise((done) => setTimeout(done, 900));
    expect(await lasts(bucket.take(30))).toBeLessThan(400);
    expect(await lasts(bucket.take(30))).toBeGreaterThan(100);
  });
});
