// SPDX-License-Identifier: Apache-2.0
import type { DenialReason, Evidence } from '../../../src/attest/port.ts';

/** Evidence that differs in one point from evidence that is allowed: which rule refuses it, and a part of the message. */
export interface Denial {
  readonly what: string;
  readonly denied: Evidence;
  readonly message: string;
}

/** Cases of one rule. */
export interface Denials {
  readonly rule: string;
  readonly reason: DenialReason;
  readonly cases: readonly Denial[];
}

export function denial(what: string, denied: Evidence, message: string): Denial {
  return { what, denied, message };
}
