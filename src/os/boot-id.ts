// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';

/** The kernel's random identifier of this boot (random(4)); the same in all containers. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
