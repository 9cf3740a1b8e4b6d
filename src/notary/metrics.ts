// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Buckets in seconds: a software token signs in 0.1 ms, a TPM in 200 ms. */
const SIGN_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** The notary's own metrics. */
export class NotaryMetrics {
  readonly registry = new Registry();
  readonly requests = new Counter({
    name: 'keystead_notary_requests_total',
    help: 'Requests answered, by operation and result (Ok or the error code).',
    labelNames: ['operation', 'result'],
    registers: [this.registry],
  });
  readonly issueSeconds = new Histogram({
    name: 'keystead_notary_issue_duration_seconds',
    help: 'Time from a checked request to its signed certificate, the token included.',
    buckets: SIGN_BUCKETS,
    registers: [this.registry],
  });
  readonly ready = new Gauge({
    name: 'keystead_notary_ready',
    help: '1 where certificates can be issued; the label reason is empty then.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly issuerNotAfter = new Gauge({
    name: 'keystead_notary_issuer_not_after_seconds',
    help: 'End of the issuing certificate, Unix time.',
    registers: [this.registry],
  });
  readonly auditRecords = new Gauge({
    name: 'keystead_notary_audit_records',
    help: 'Number of the last record in the audit log.',
    registers: [this.registry],
  });
  readonly refusedCallers = new Counter({
    name: 'keystead_notary_refused_callers_total',
    help: 'Connections refused because of the peer credentials.',
    registers: [this.registry],
  });
  readonly tokenOpenings = new Counter({
    name: 'keystead_notary_token_openings_total',
    help: 'Attempts to open the token, by result (Ok or the error code).',
    labelNames: ['result'],
    registers: [this.registry],
  });

  /** Prometheus text. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
