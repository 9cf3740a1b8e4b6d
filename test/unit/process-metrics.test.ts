// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { registerProcessMetrics } from '../../src/process-metrics.ts';

describe('metrics of the process itself', () => {
  it.each([
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_start_time_seconds',
    'process_open_fds',
    'process_max_fds',
    'nodejs_heap_size_used_bytes',
    'nodejs_version_info',
  ])('tell %s', async (name) => {
    const registry = new Registry();
    registerProcessMetrics(registry);
    expect(await registry.metrics()).toMatch(new RegExp(`^${name}(?:\\{.*\\})? \\S+$`, 'm'));
  });

  it('leave out what the process has to wake up for while nobody asks', async () => {
    const registry = new Registry();
    registerProcessMetrics(registry);
    expect(await registry.metrics()).not.toMatch(/eventloop|gc_duration/);
  });
});
