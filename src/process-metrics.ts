// SPDX-License-Identifier: Apache-2.0
import type { Registry } from 'prom-client';
import heap from 'prom-client/lib/metrics/heapSizeAndUsed.js';
import memory from 'prom-client/lib/metrics/osMemoryHeap.js';
import processorTime from 'prom-client/lib/metrics/processCpuTotal.js';
import maxDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js';
import openDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js';
import startTime from 'prom-client/lib/metrics/processStartTime.js';
import version from 'prom-client/lib/metrics/version.js';

/**
 * What every program tells of itself (`process_…`, `nodejs_…`): of prom-client's default metrics those that are read when
 * somebody asks. Left out is the lag of the event loop, whose measure wakes the process a hundred times a second, and what is
 * counted at each garbage collection.
 */
export function registerProcessMetrics(registry: Registry): void {
  for (const register of [processorTime, memory, startTime, openDescriptors, maxDescriptors, heap, version]) {
    register(registry);
  }
}
