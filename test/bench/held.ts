// SPDX-License-Identifier: Apache-2.0
import { presentLab } from '../quickstart/target.ts';

/** Cumulative counts of the histogram of held starts, by upper bound in milliseconds. */
export type Held = ReadonlyMap<number, number>;

/** Reads the histogram of the node's agent. */
export async function readHeld(): Promise<Held> {
  const target = presentLab();
  const ip = await target?.kubectl.run([
    ...['-n', 'keystead-system', 'get', 'pods', '-l', 'app.kubernetes.io/component=node'],
    ...['-o', 'jsonpath={.items[0].status.podIP}'],
  ]);
  const text = await (await fetch(`http://${ip}:9464/metrics`)).text();
  const rows = text.matchAll(/^keystead_start_held_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
  return new Map([...rows].map(([, le, count]) => [le === '+Inf' ? Infinity : Number(le) * 1000, Number(count)]));
}

/** The upper bound, in milliseconds, of the bucket that holds a quantile of what came between two readings. */
export function heldQuantile(before: Held, after: Held, q: number): number {
  const counts = [...after].map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const);
  const total = counts.at(-1)?.[1] ?? 0;
  return counts.find(([, count]) => count >= total * q)?.[0] ?? 0;
}
