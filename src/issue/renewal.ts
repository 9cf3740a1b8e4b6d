// SPDX-License-Identifier: Apache-2.0
import type { Validity } from './validity.ts';

/** Share of a certificate's validity after which it is renewed, unless its owner wants another. */
const RENEW_AT = 0.5;
/** The renewal is moved by up to this share of the validity either way, so that a fleet does not renew at once. */
const JITTER = 0.1;

/**
 * When to renew a certificate, in milliseconds since the Unix epoch: after `share` of its validity, moved by up to a
 * tenth of it either way. `random` lies in [0, 1); equal values give equal times.
 */
export function renewalTime(validity: Validity, random: number, share = RENEW_AT): number {
  const length = validity.notAfter - validity.notBefore;
  return Math.round(validity.notBefore + length * (share + JITTER * (2 * random - 1)));
}

/** A number in [0, 1) that a certificate keeps over restarts: when it is renewed must not depend on them. */
export function jitterOf(serial: string): number {
  return Number.parseInt(serial.slice(-8), 16) / 2 ** 32;
}
