// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process (NODE_OPTIONS=--import=…): its clock is off by the milliseconds that stand in `clock-offset` beside
// this file, from the moment on at which they are written there, as if somebody had set it. Timers go on as they do then.
import { readFileSync } from 'node:fs';

const FILE = new URL('clock-offset', import.meta.url);
const READ_EVERY_MS = 20;
const TrueDate = Date;
let offset = 0;
let readAt = -Infinity;

function now(): number {
  if (performance.now() - readAt > READ_EVERY_MS) {
    readAt = performance.now();
    offset = Number(readFileSync(FILE, 'utf8'));
  }
  return TrueDate.now() + offset;
}

globalThis.Date = class extends TrueDate {
  constructor(...parts: unknown[]) {
    super(...((parts.length === 0 ? [now()] : parts) as [number]));
  }

  static override now(): number {
    return now();
  }
} as DateConstructor;
