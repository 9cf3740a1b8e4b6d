// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pushGoClient } from '../../clients/go-client.ts';
import { Scene } from '../../e2e/harness.ts';
import { quantile } from '../quantile.ts';
import { CallerPod, keysteadSide, memoryOf, processorOf, spireSide, type Side } from './side.ts';
import { Spire } from './spire.ts';

/** What is called, by how many at once. */
export const SCENARIOS = [
  { kind: 'open', callers: 1, what: 'FetchX509SVID, open client' },
  { kind: 'open', callers: 8, what: 'FetchX509SVID, open client' },
  { kind: 'connection', callers: 1, what: 'FetchX509SVID, new connection per call' },
  { kind: 'connection', callers: 8, what: 'FetchX509SVID, new connection per call' },
  { kind: 'token-cached', callers: 1, what: 'FetchJWTSVID, cached audience' },
  { kind: 'token-cached', callers: 8, what: 'FetchJWTSVID, cached audience' },
  { kind: 'token-new', callers: 1, what: 'FetchJWTSVID, new audience' },
  { kind: 'token-new', callers: 8, what: 'FetchJWTSVID, new audience' },
] as const;

export type Scenario = (typeof SCENARIOS)[number];

export interface ScenarioResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** Milliseconds of processor time in 1,000 calls, of all the side's processes. */
  readonly processorMsPer1000: number;
}

export interface SideResult {
  readonly name: string;
  /** Milliseconds from the first line of a pod's program to its first identity. */
  readonly firstMs: { readonly p50: number; readonly worst: number };
  readonly scenarios: readonly (ScenarioResult & Scenario)[];
  /** Share of one core while nobody calls, percent. */
  readonly idlePercent: number;
  /** Proportional set size after all this, megabytes, by process. */
  readonly memory: Readonly<Record<string, number>>;
}

export interface Length {
  /** Pods whose first identity is timed. */
  readonly starts: number;
  /** Rounds of every scenario; the sides take turns, and the median counts. */
  readonly rounds: number;
  readonly seconds: number;
}

const WARM_UP_SECONDS = 2;
const IDLE_MS = 10_000;

/** Measures Keystead and, where its programs are in that folder, SPIRE, in turns on the same node. */
export async function measureWorkloadApi(spirePrograms: string | undefined, length: Length): Promise<SideResult[]> {
  const scene = new Scene('bench-api');
  await scene.open();
  const spire = spirePrograms === undefined ? undefined : await Spire.start(spirePrograms, scene.lab);
  try {
    const [image = ''] = await pushGoClient(join(import.meta.dirname, '../caller'), ['bench'], scene.lab.registry);
    const sides = [await keysteadSide(scene, image)];
    if (spire) sides.push(await spireSide(scene, image, spire));
    return await measured(scene, sides, length);
  } finally {
    await spire?.stop();
    await scene.close();
  }
}

async function measured(scene: Scene, sides: readonly Side[], length: Length): Promise<SideResult[]> {
  const pods = await Promise.all(
    sides.map(async (side) => (await CallerPod.start(scene, side, nameOf(side, 'calls'))).pod),
  );
  const firsts = sides.map((): number[] => []);
  for (let index = 0; index < length.starts; index++) {
    for (const [number, side] of sides.entries()) {
      const name = nameOf(side, `starts-${index}`);
      firsts[number]!.push((await CallerPod.start(scene, side, name)).firstMs);
      await scene.run('delete', 'pod', name, '--wait=false', '--grace-period=0', '--force');
    }
  }
  for (const pod of pods) await pod.calls('open', 8, WARM_UP_SECONDS);
  const results = sides.map((): (ScenarioResult & Scenario)[] => []);
  for (const scenario of SCENARIOS) {
    const rounds = pods.map((): ScenarioResult[] => []);
    for (let round = 0; round < length.rounds; round++) {
      for (const [number, pod] of pods.entries()) rounds[number]!.push(await once(pod, scenario, length.seconds));
    }
    rounds.forEach((each, number) => results[number]!.push({ ...scenario, ...median(each) }));
    console.error(
      `${scenario.what}, ${scenario.callers}: ${results.map((each) => Math.round(each.at(-1)!.perSecond)).join(' / ')} calls/s`,
    );
  }
  return Promise.all(
    sides.map(async (side, number) => {
      const { ms } = await processorOf(side, () => setTimeout(IDLE_MS));
      const sorted = firsts[number]!.sort((left, right) => left - right);
      return {
        name: side.name,
        firstMs: { p50: quantile(sorted, 0.5), worst: sorted.at(-1) ?? 0 },
        scenarios: results[number]!,
        idlePercent: rounded((ms / IDLE_MS) * 100),
        memory: memoryOf(side),
      };
    }),
  );
}

async function once(pod: CallerPod, { kind, callers }: Scenario, seconds: number): Promise<ScenarioResult> {
  const { result, ms } = await processorOf(pod.side, () => pod.calls(kind, callers, seconds));
  const { perSecond, p50, p99, errors, calls } = result;
  for (const error of errors.slice(0, 3)) console.error(`${pod.side.name}, ${kind}: ${error}`);
  return { perSecond, p50, p99, errors: errors.length, processorMsPer1000: (ms / calls) * 1000 };
}

function median(rounds: readonly ScenarioResult[]): ScenarioResult {
  const of = (field: keyof ScenarioResult): number => {
    const sorted = rounds.map((round) => round[field]).sort((left, right) => left - right);
    return rounded(sorted[Math.floor(sorted.length / 2)] ?? 0);
  };
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    processorMsPer1000: of('processorMsPer1000'),
  };
}

/** A pod's name of a side. */
const nameOf = (side: Side, what: string): string => `${side.name.toLowerCase()}-${what}`;
const rounded = (value: number): number => Math.round(value * 100) / 100;
