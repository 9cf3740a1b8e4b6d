// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { crlsIn, readCrl } from '../issue/crl-reader.ts';
import type { RevocationReason } from '../issue/crl.ts';
import type { Terminal } from './port.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

/** So many are shown: the newest certificates, and the tokens that end last. */
const SHOWN = 10;

/** What the reasons of RFC 5280 mean here. */
const WHY: Readonly<Record<RevocationReason, string>> = {
  privilegeWithdrawn: 'refused (privilegeWithdrawn)',
  cessationOfOperation: 'its process or pod ended (cessationOfOperation)',
  superseded: 'replaced (superseded)',
  keyCompromise: 'its key was lost (keyCompromise)',
};

/** Certificates and JWT-SVIDs that the nodes have withdrawn and that have not ended. Prints nothing where there are none. */
export function showRevoked(terminal: Terminal, devices: readonly EdgeDevice[], now: number): void {
  const certificates = devices.flatMap(certificatesOf).sort((left, right) => right.at - left.at);
  const tokens = devices.flatMap(tokensOf).sort((left, right) => right.until.localeCompare(left.until));
  const failures = devices.filter(({ status }) => status?.revocation?.failure !== undefined);
  if (certificates.length + tokens.length + failures.length === 0) return;
  printTable(
    terminal,
    ['REVOKED', 'DEVICE', 'ID', 'WHEN', 'WHY'],
    [
      ...certificates.slice(0, SHOWN).map(({ device, id, at, why }) => {
        return ['certificate', device, id, relative(new Date(at).toISOString(), now), why];
      }),
      ...tokens
        .slice(0, SHOWN)
        .map(({ device, id, until }) => ['token', device, id, `ends ${relative(until, now)}`, '']),
    ],
  );
  const more = Math.max(0, certificates.length - SHOWN) + Math.max(0, tokens.length - SHOWN);
  if (more > 0) terminal.out(`and ${more} more`);
  terminal.out(
    terminal.style(
      'dim',
      '  keystead audit export --serial ID tells whose certificate it was, and which rule refused it',
    ),
  );
  for (const { metadata, status } of failures)
    terminal.out(
      terminal.style('red', `${metadata.name ?? ''}: not on a signed list yet: ${status?.revocation?.failure ?? ''}`),
    );
  terminal.out('');
}

function certificatesOf({ metadata, status }: EdgeDevice): { device: string; id: string; at: number; why: string }[] {
  return crlsIn(status?.revocation?.crl ?? '').flatMap((der) =>
    readCrl(der).entries.map(({ serial, revokedAt, reason }) => {
      return { device: metadata.name ?? '', id: serial, at: revokedAt, why: reason ? WHY[reason] : '' };
    }),
  );
}

function tokensOf({ metadata, status }: EdgeDevice): { device: string; id: string; until: string }[] {
  const { tokens = [] } = status?.revocation ?? {};
  return tokens.map(({ jti, until }) => ({ device: metadata.name ?? '', id: jti, until }));
}
