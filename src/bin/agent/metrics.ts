// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Holding } from '../../identity/holding.ts';
import type { ControllerObserver } from '../../kube/index.ts';
import { registerProcessMetrics } from '../../process-metrics.ts';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5];

export interface AgentGauges {
  holdings(): Iterable<Holding>;
  /** Keys that wait, by controller. */
  depths(): Readonly<Record<string, number>>;
}

/** The agent's Prometheus metrics, by the names that dashboards rely on. */
export class AgentMetrics implements ControllerObserver {
  readonly registry = new Registry();
  readonly #attestations = this.#counter('keystead_attestations_total', 'Verdicts on module processes', [
    'result',
    'reason',
  ]);
  readonly #issued = this.#counter('keystead_certificates_issued_total', 'Certificates issued', ['result', 'reason']);
  readonly #revoked = this.#counter('keystead_revoked_total', 'Certificates and tokens revoked', ['kind', 'reason']);
  readonly #issueSeconds = this.#histogram('keystead_issue_duration_seconds', 'Key made, certified and checked');
  readonly #heldSeconds = this.#histogram('keystead_start_held_seconds', 'Time for which a container start was held');
  readonly #startsRefused = this.#counter(
    'keystead_starts_refused_total',
    'Container starts refused by startPolicy',
    [],
  );
  readonly #reconciles = this.#counter('keystead_reconciles_total', 'Reconciles', ['controller', 'outcome']);
  readonly #reconcileSeconds = this.#histogram('keystead_reconcile_duration_seconds', 'Time of one reconcile', [
    'controller',
  ]);

  constructor(gauges: AgentGauges) {
    registerProcessMetrics(this.registry);
    new Gauge({
      name: 'keystead_queue_depth',
      help: 'Keys that wait to be reconciled',
      labelNames: ['controller'],
      registers: [this.registry],
      collect() {
        for (const [controller, depth] of Object.entries(gauges.depths())) this.set({ controller }, depth);
      },
    });
    new Gauge({
      name: 'keystead_certificate_expiration_timestamp_seconds',
      help: 'notAfter of the certificates that pods of this node hold',
      labelNames: ['namespace', 'identity', 'pod'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { namespace, pod, issued } of gauges.holdings()) {
          for (const [identity, { notAfter }] of issued) this.set({ namespace, identity, pod }, notAfter / 1000);
        }
      },
    });
  }

  attested(result: string, reason: string): void {
    this.#attestations.inc({ result, reason });
  }

  issued(result: string, reason: string, seconds: number): void {
    this.#issued.inc({ result, reason });
    this.#issueSeconds.observe(seconds);
  }

  revoked(reason: string, counts: { readonly certificates: number; readonly tokens: number }): void {
    this.#revoked.inc({ kind: 'certificate', reason }, counts.certificates);
    this.#revoked.inc({ kind: 'token', reason }, counts.tokens);
  }

  held(seconds: number): void {
    this.#heldSeconds.observe(seconds);
  }

  startRefused(): void {
    this.#startsRefused.inc();
  }

  reconciled(controller: string, outcome: 'success' | 'retry' | 'terminal', seconds: number): void {
    this.#reconciles.inc({ controller, outcome });
    this.#reconcileSeconds.observe({ controller }, seconds);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, labelNames: string[] = []): Histogram {
    return new Histogram({ name, help, labelNames, buckets: SECONDS, registers: [this.registry] });
  }
}
