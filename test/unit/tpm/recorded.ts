// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface RecordedQuote {
  readonly attestationKey: string;
  readonly nonce: string;
  readonly attest: string;
  readonly signature: string;
  readonly pcrs: Readonly<Record<string, string>>;
}

interface Recorded {
  /** Parameters of good responses by command; `handle:` before those that return one. `GetCapability/n` by TPM_CAP. */
  readonly responses: Readonly<Record<string, string>>;
  readonly evidence: Readonly<Record<'RSA-2048' | 'EC-P256', RecordedQuote>> & {
    readonly 'EC-P256-certified': { readonly publicArea: string; readonly attest: string; readonly signature: string };
    readonly wrapped: string;
  };
}

/** What a software TPM (swtpm 0.7, libtpms 0.9) answered once. */
export const RECORDED = JSON.parse(readFileSync(join(import.meta.dirname, 'recorded.json'), 'utf8')) as Recorded;

export const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
