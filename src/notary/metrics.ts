// SPDX-License-Identifier: Apache-2.0
import { MetricSet } from './metric-set.ts';

/** Buckets in seconds: a software token signs in 0.1 ms, a TPM in 200 ms. */
const SIGN_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** The notary's own metrics. */
export class NotaryMetrics {
  readonly #set = new MetricSet();
  readonly requests = this.#set.counter(
    'keystead_notary_requests_total',
    'Requests answered, by operation and result (Ok or the error code).',
    ['operation', 'result'],
  );
  readonly issueSeconds = this.#set.histogram(
    'keystead_notary_issue_duration_seconds',
    'Time from a checked request to its signed certificate, the token included.',
    SIGN_BUCKETS,
  );
  readonly ready = this.#set.gauge(
    'keystead_notary_ready',
    '1 where certificates can be issued; the label reason is empty then.',
    ['reason'],
  );
  readonly issuerNotAfter = this.#set.gauge(
    'keystead_notary_issuer_not_after_seconds',
    'End of the issuing certificate, Unix time.',
  );
  readonly auditRecords = this.#set.gauge(
    'keystead_notary_audit_records',
    'Number of the last record in the audit log.',
  );
  readonly refusedCallers = this.#set.counter(
    'keystead_notary_refused_callers_total',
    'Connections refused because of the peer credentials.',
  );
  readonly tokenOpenings = this.#set.counter(
    'keystead_notary_token_openings_total',
    'Attempts to open the token, by result (Ok or the error code).',
    ['result'],
  );

  /** Prometheus text. */
  text(): string {
    return this.#set.text();
  }
}
