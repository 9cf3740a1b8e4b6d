// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { crlsIn, readCrl } from '../issue/crl-reader.ts';
import type { RevocationReason } from '../issue/crl.ts';
import type { Terminal } from './port.ts';
import { relative } from './show-time.ts';
import { printTable } from './table.ts';

/** So many are shown of each, the newest. */
const SHOWN = 10;

/** What the reasons of RFC 5280 mean here. */
const WHY: Readonly<Record<RevocationReason, string>> = {
  privilegeWithdrawn: 'refused (privilegeWithdrawn)',
  cessationOfOperation: 'its process or pod ended (cessationOfOperation)',
  superseded: 'replaced (superseded)',
  keyCompromise: 'its key was lost (keyCompromise)',
};

/** What was revoked, with its time in milliseconds since the Unix epoch, 0 where it is not known. */
interface Revoked {
  readonly kind: 'certificate' | 'token';
  readonly device: string;
  readonly id: string;
  readonly at: number;
  readonly reason: RevocationReason | undefined;
}

/** Certificates and JWT-SVIDs that the nodes have withdrawn and that have not ended. Prints nothing where there are none. */
export function showRevoked(terminal: Terminal, devices: readonly EdgeDevice[], now: number): void {
  const newest = [certificatesOf, tokensOf].map((of) => devices.flatMap(of).sort((left, right) => right.at - left.at));
  const failures = devices.filter(({ status }) => status?.revocation?.failure !== undefined);
  if (newest.flat().length + failures.length === 0) return;
  const shown = newest.flatMap((revoked) => revoked.slice(0, SHOWN));
  printTable(
    terminal,
    ['REVOKED', 'DEVICE', 'ID', 'WHEN', 'WHY'],
    shown.map(({ kind, device, id, at, reason }) => {
      const when = at === 0 ? '-' : relative(new Date(at).toISOString(), now);
      return [kind, device, id, when, reason ? WHY[reason] : '-'];
    }),
  );
  const more = newest.flat().length - shown.length;
  if (more > 0) terminal.out(`and ${more} more`);
  terminal.out(
    terminal.style(
      'dim',
      '  keystead audit export --serial ID, or --jti ID of a token, tells whose it was, and which rule refused it',
    ),
  );
  for (const { metadata, status } of failures)
    terminal.out(
      terminal.style('red', `${metadata.name ?? ''}: not on a signed list yet: ${status?.revocation?.failure ?? ''}`),
    );
  terminal.out('');
}

function certificatesOf({ metadata: { name: device = '' }, status }: EdgeDevice): Revoked[] {
  return crlsIn(status?.revocation?.crl ?? '')
    .flatMap((der) => readCrl(der).entries)
    .map(({ serial, revokedAt, reason }) => ({ kind: 'certificate', device, id: serial, at: revokedAt, reason }));
}

function tokensOf({ metadata: { name: device = '' }, status }: EdgeDevice): Revoked[] {
  return (status?.revocation?.tokens ?? []).map(({ jti, revokedAt, reason }) => {
    return { kind: 'token', device, id: jti, at: revokedAt === undefined ? 0 : Date.parse(revokedAt), reason };
  });
}
