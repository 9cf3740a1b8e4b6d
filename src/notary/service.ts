// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import { pemOf } from '../issue/pem.ts';
import type { Audit } from './audit.ts';
import { checkSameHome, decodeConfiguration, sameConfiguration } from './configuration.ts';
import { Custody, type CustodyOptions } from './custody.ts';
import { issueLeaf } from './issuing.ts';
import type { Performers } from './operations/index.ts';
import type { CertificateRequest, IssuedCertificate, NotaryConfiguration, NotaryStatus } from './port.ts';
import { RecordedUses } from './recorded-uses.ts';

export interface NotaryServiceOptions extends CustodyOptions {
  readonly audit: Audit;
  /** Of this program. */
  readonly version: string;
}

const DOCUMENT = 'configuration';

/**
 * What the notary does, apart from how it is called: a method for each operation. All but `metrics` is synchronous: one
 * thing at a time.
 */
export class NotaryService implements Performers {
  readonly #options: NotaryServiceOptions;
  readonly #custody: Custody;
  readonly #uses: RecordedUses;
  #configuration: NotaryConfiguration | undefined;

  /** Takes up the configuration that the state folder holds, so that a restart needs nobody's word. */
  constructor(options: NotaryServiceOptions) {
    this.#options = options;
    this.#custody = new Custody(options);
    this.#uses = new RecordedUses(this.#custody, options.audit);
    this.#configuration = this.#readConfiguration();
    if (this.#configuration) this.#custody.keep(this.#configuration);
  }

  /**
   * Takes over a configuration; the same again does nothing. A first one is kept even where the token cannot be opened
   * yet: the status says why. A later one that cannot be put into effect throws, and the former stays.
   */
  configure(wanted: NotaryConfiguration): NotaryStatus {
    const present = this.#configuration;
    if (present && sameConfiguration(present, wanted)) return this.status();
    if (present) checkSameHome(present, wanted);
    this.#custody.change(wanted);
    this.#options.state.write(DOCUMENT, wanted);
    this.#configuration = wanted;
    this.#options.log.info({ configuration: wanted }, 'configured');
    return this.status();
  }

  status(): NotaryStatus {
    const { version } = this.#options;
    const { held, failure } = this.#custody;
    if (!held) {
      const message = 'waiting for the agent to send the configuration of the EdgeDevice';
      const reason = failure ?? { code: 'Unavailable', message };
      return { protocol: 1, version, ready: false, reason: reason.code, message: reason.message };
    }
    const { key, entry } = held.authority.issuer;
    const { sensitive, extractable } = key.attributes;
    const issuer: NotaryStatus['issuer'] = {
      algorithm: key.algorithm,
      keyUri: key.uri,
      sensitive,
      extractable,
      chain: pemOf(entry.der),
      anchors: held.authority.anchors.map(pemOf).join(''),
      ...entry.certificate.validity,
    };
    const { failure: unrecorded, ...audit } = this.#options.audit.state?.() ?? {};
    const reason = unrecorded && { reason: unrecorded.code, message: unrecorded.message };
    const recorded = 'head' in audit && { audit };
    return { protocol: 1, version, ready: !unrecorded, ...reason, ...recorded, token: held.root.token, issuer };
  }

  /** Issues within the profile. */
  issue(request: CertificateRequest): IssuedCertificate {
    const { clock, metrics } = this.#options;
    const { requester, spiffeId } = request;
    const start = performance.now();
    const issued = this.#uses.run({ operation: 'issue', requester, spiffeId }, ({ authority, configuration }) => {
      const profile = { trustDomain: configuration.trustDomain, maxLeafSeconds: configuration.issuer.maxLeafSeconds };
      const result = issueLeaf(authority, profile, request, clock.now());
      const { serial, notBefore, notAfter } = result;
      return { result, outcome: { result: 'Issued', keyUri: authority.issuer.key.uri, serial, notBefore, notAfter } };
    });
    metrics.issueSeconds.observe((performance.now() - start) / 1000);
    return issued;
  }

  /** Prometheus text. */
  metrics(): Promise<string> {
    const { metrics } = this.#options;
    const { ready, reason = '', issuer, audit } = this.status();
    metrics.ready.reset();
    metrics.ready.set({ reason }, ready ? 1 : 0);
    if (audit) metrics.auditRecords.set(audit.records);
    if (issuer) metrics.issuerNotAfter.set(issuer.notAfter / 1000);
    return metrics.text();
  }

  close(): void {
    this.#custody.close();
  }

  #readConfiguration(): NotaryConfiguration | undefined {
    const { state, log } = this.#options;
    try {
      const document = state.read(DOCUMENT);
      return document === undefined ? undefined : decodeConfiguration(document);
    } catch (thrown) {
      log.error(
        { err: asKeysteadError(thrown).message },
        'the kept configuration is unreadable, waiting for the agent',
      );
      state.setAside(DOCUMENT);
      return undefined;
    }
  }
}
