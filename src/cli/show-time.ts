// SPDX-License-Identifier: Apache-2.0

/** How long until a time, or since it: `in 3d4h`, `5m ago`. A dash where there is none. */
export function relative(time: string | undefined, now: number): string {
  if (time === undefined) return '-';
  const distance = Date.parse(time) - now;
  if (Number.isNaN(distance)) return time;
  return distance >= 0 ? `in ${span(distance)}` : `${span(-distance)} ago`;
}

/** The two largest units of a time span, as kubectl shows ages. */
export function span(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days}d${hours > 0 ? `${hours}h` : ''}`;
  if (hours > 0) return `${hours}h${minutes > 0 ? `${minutes}m` : ''}`;
  return minutes > 0 ? `${minutes}m${seconds % 60 > 0 ? `${seconds % 60}s` : ''}` : `${seconds}s`;
}
