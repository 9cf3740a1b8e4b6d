// SPDX-License-Identifier: Apache-2.0

const UNITS = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 } as const;
/** Longest that a timer of Node.js runs, milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Milliseconds of a `grpc-timeout` header; undefined where it is none, or so long that it does not matter. */
export function timeoutOf(header: unknown): number | undefined {
  const [, digits = '', unit = ''] = (typeof header === 'string' && /^(\d{1,8})([HMSmun])$/.exec(header)) || [];
  if (digits === '') return undefined;
  const milliseconds = Math.ceil(Number(digits) * UNITS[unit as keyof typeof UNITS]);
  return milliseconds > LONGEST_MS ? undefined : milliseconds;
}
