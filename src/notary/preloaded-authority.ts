// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { subjectKeyIdentifierOf } from '../issue/certificate-reader.ts';
import type { Logger } from '../log.ts';
import { errnoOf } from '../os/files.ts';
import type { Clock } from '../os/clock.ts';
import type { Issuer, IssuingAuthority } from './authority.ts';
import type { PreloadedIssuer } from './issuer-settings.ts';
import { readPreloadedChain, type PreloadedChain } from './preloaded-chain.ts';
import type { RootOfTrust } from './root-of-trust/port.ts';

export interface PreloadedAuthorityOptions {
  readonly root: RootOfTrust;
  readonly trustDomain: string;
  readonly settings: PreloadedIssuer;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * A CA whose key was made on the root of trust beforehand and whose certificate somebody else signed. It makes no keys and
 * does not renew itself: a file with the chain is looked at again and again, so that its replacement is a renewal.
 */
export class PreloadedAuthority implements IssuingAuthority {
  readonly #options: PreloadedAuthorityOptions;
  #pem: string;
  #chain: PreloadedChain;
  #issuer: Issuer;
  #told = '';

  /** Throws InvalidConfiguration for a chain that peers would not take, NotFound and KeyUnfit for the key. */
  constructor(options: PreloadedAuthorityOptions) {
    this.#options = options;
    this.#pem = this.#read();
    this.#chain = this.#checked(this.#pem);
    this.#issuer = this.#issuerOf(this.#chain);
  }

  get issuer(): Issuer {
    return this.#issuer;
  }

  /** The root; peers find the way down to a leaf in the chain that comes with it. */
  get anchors(): readonly Buffer[] {
    return this.#chain.certificates.slice(-1).map(({ der }) => der);
  }

  get issuers(): readonly Issuer[] {
    return [this.#issuer];
  }

  get keyIdentifiers(): readonly Buffer[] {
    return [this.#issuer.identity.keyIdentifier];
  }

  isOwnKey(publicKey: Buffer): boolean {
    return this.#chain.certificates.some(({ certificate }) => certificate.publicKey.equals(publicKey));
  }

  /** Takes over a renewed chain. A bad one is told and left aside while the present one is good; else its error is thrown. */
  maintain(): void {
    try {
      const pem = this.#read();
      const chain = this.#checked(pem);
      if (pem === this.#pem) return;
      this.#issuer = this.#issuerOf(chain);
      [this.#pem, this.#chain, this.#told] = [pem, chain, ''];
      this.#options.log.info({ key: this.#issuer.key.uri }, 'took over a renewed CA certificate');
    } catch (thrown) {
      this.#checked(this.#pem);
      const { code, message } = asKeysteadError(thrown);
      if (message !== this.#told)
        this.#options.log.error({ code, err: message }, 'cannot take over the CA certificate');
      this.#told = message;
    }
  }

  #read(): string {
    const { certificates, certificatesFile } = this.#options.settings.preloaded;
    if (certificates !== undefined) return certificates;
    try {
      return readFileSync(certificatesFile ?? '', 'utf8');
    } catch (cause) {
      const found = `cannot read ${certificatesFile ?? ''}: ${errnoOf(cause) ?? String(cause)}`;
      const remedy = "mount it into the notary's container (chart value issuer.secretName)";
      throw new KeysteadError('InvalidConfiguration', `issuer.preloaded: ${found}; ${remedy}`, { cause });
    }
  }

  #checked(pem: string): PreloadedChain {
    return readPreloadedChain(pem, this.#options.trustDomain, this.#options.clock.now());
  }

  #issuerOf({ certificates, algorithm }: PreloadedChain): Issuer {
    const [first, ...above] = certificates;
    const keyIdentifier = first && subjectKeyIdentifierOf(first.certificate);
    if (!keyIdentifier) throw new KeysteadError('Internal', 'a checked CA certificate has no subjectKeyIdentifier');
    const { keyUri } = this.#options.settings.preloaded;
    const { publicKey, subject } = first.certificate;
    const key = this.#options.root.findExisting(keyUri, { algorithm, publicKey });
    // The self-signed root stays out: peers have it, or must not take it from us.
    const intermediates = certificates.slice(0, above.length).map(({ der }) => der);
    return { key, entry: { ...first, generation: 1 }, identity: { name: subject, keyIdentifier }, intermediates };
  }
}
