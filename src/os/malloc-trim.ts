// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const mallocTrim = libc('int malloc_trim(size_t pad)');

/** Has the C library give back the memory that was freed, malloc_trim(3). */
export function trimMemory(): void {
  mallocTrim(0);
}
