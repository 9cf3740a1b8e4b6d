// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { defineNv, writeNv } from '../../../src/notary/root-of-trust/tpm/nv-index.ts';
import { withEndorsementKey } from '../../../src/notary/root-of-trust/tpm/endorsement-key.ts';
import { ENDORSEMENT_KINDS } from '../../../src/tpm/endorsement-key.ts';
import { publicKeyInfo } from '../../../src/tpm/public-area.ts';
import type { SoftTpm } from './swtpm.ts';

const CA_REQUEST = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];

/** Gives a TPM a certificate of its P-256 endorsement key in NV, as its maker would; PEM of that maker and of another. */
export function endorse(soft: SoftTpm): { roots: string; stranger: string } {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: soft.folder, stdio: 'pipe' });
  for (const name of ['maker', 'stranger']) {
    const subject = name === 'maker' ? '/CN=Maker' : '/CN=Stranger';
    openssl(...CA_REQUEST, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', subject);
  }
  const tpm = soft.open();
  const key = withEndorsementKey(tpm, 'EC-P256', ({ area }) => publicKeyInfo(area));
  const pem = createPublicKey({ key, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' });
  writeFileSync(soft.path('endorsed.pem'), pem);
  writeFileSync(soft.path('endorsed.ext'), 'extendedKeyUsage=2.23.133.8.1\n');
  openssl('req', '-new', '-key', 'maker.key', '-subj', '/CN=EK', '-out', 'endorsed.csr');
  openssl(
    ...['x509', '-req', '-in', 'endorsed.csr', '-CA', 'maker.pem', '-CAkey', 'maker.key', '-days', '30'],
    ...['-force_pubkey', 'endorsed.pem', '-extfile', 'endorsed.ext', '-outform', 'DER', '-out', 'endorsed.der'],
  );
  const certificate = readFileSync(soft.path('endorsed.der'));
  const index = ENDORSEMENT_KINDS['EC-P256'].certificateIndex;
  defineNv(tpm, index, certificate.length);
  writeNv(tpm, index, certificate);
  return { roots: text(soft, 'maker.pem'), stranger: text(soft, 'stranger.pem') };
}

function text(soft: SoftTpm, name: string): string {
  return readFileSync(soft.path(name), 'utf8');
}
