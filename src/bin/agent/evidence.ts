// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../../errors.ts';
import type { HealthPage } from '../../health.ts';
import { NODE_KEYS } from '../../notary/attestation-port.ts';
import type { Notary } from '../../notary/port.ts';

/**
 * `/evidence/<Issuer or Token>-<nonce in hexadecimal>`: evidence of where the node's key lives, for `keystead key-evidence`.
 * It holds no secret: who gets it learns a public key and what the token says of it.
 */
export function evidencePages(
  notary: Pick<Notary, 'keyEvidence'>,
): Readonly<Record<string, (below: string) => Promise<HealthPage>>> {
  return { '/evidence/': (below) => evidencePage(notary, below) };
}

async function evidencePage(notary: Pick<Notary, 'keyEvidence'>, below: string): Promise<HealthPage> {
  const [, name, nonce = ''] = /^([A-Z][a-z]+)-((?:[0-9a-f]{2}){8,64})$/.exec(below) ?? [];
  const key = NODE_KEYS.find((known) => known === name);
  if (!key) {
    const body = 'expected /evidence/Issuer-NONCE or /evidence/Token-NONCE, with 16 to 128 hexadecimal digits\n';
    return { status: 404, type: 'text/plain', body };
  }
  try {
    const evidence = await notary.keyEvidence({ key, nonce: Buffer.from(nonce, 'hex') });
    return { status: 200, type: 'application/json', body: `${JSON.stringify(evidence)}\n` };
  } catch (thrown) {
    const { code, message } = asKeysteadError(thrown);
    return { status: 503, type: 'text/plain', body: `${code}: ${message}\n` };
  }
}
