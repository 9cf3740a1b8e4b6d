// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ControllerObserver } from '../../kube/index.ts';
import { registerProcessMetrics } from '../../process-metrics.ts';

export interface ControllerGauges {
  leading(): boolean;
  /** Keys that wait, by controller. */
  depths(): Readonly<Record<string, number>>;
  /** Objects in the caches, by kind. */
  cached(): Readonly<Record<string, number>>;
}

/** The controller's Prometheus metrics, by the same names as the agent's where they mean the same. */
export class ControllerMetrics implements ControllerObserver {
  readonly registry = new Registry();
  readonly #reconciles: Counter;
  readonly #seconds: Histogram;

  constructor(gauges: ControllerGauges) {
    const registers = [this.registry];
    registerProcessMetrics(this.registry);
    this.#reconciles = new Counter({
      name: 'keystead_reconciles_total',
      help: 'Reconciles',
      labelNames: ['controller', 'outcome'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'keystead_reconcile_duration_seconds',
      help: 'Time of one reconcile',
      labelNames: ['controller'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    });
    new Gauge({
      name: 'keystead_leader',
      help: '1 while this process leads',
      registers,
      collect() {
        this.set(gauges.leading() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'keystead_queue_depth',
      help: 'Keys that wait to be reconciled',
      labelNames: ['controller'],
      registers,
      collect() {
        for (const [controller, depth] of Object.entries(gauges.depths())) this.set({ controller }, depth);
      },
    });
    new Gauge({
      name: 'keystead_cached_objects',
      help: 'Objects in the caches',
      labelNames: ['kind'],
      registers,
      collect() {
        for (const [kind, size] of Object.entries(gauges.cached())) this.set({ kind }, size);
      },
    });
  }

  reconciled(controller: string, outcome: 'success' | 'retry' | 'terminal', seconds: number): void {
    this.#reconciles.inc({ controller, outcome });
    this.#seconds.observe({ controller }, seconds);
  }
}
