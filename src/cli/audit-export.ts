// SPDX-License-Identifier: Apache-2.0
import { durationMs } from '../api/duration.ts';
import { DEFAULT_LOG } from './audit-verify.ts';
import { EXIT, text, UsageError, type Command, type Values } from './command.ts';

export const auditExport: Command = {
  name: 'audit export',
  operands: '[FILE|FOLDER...]',
  summary: 'Prints records of the audit log as JSON lines, oldest first',
  options: {
    since: { type: 'string', value: 'TIME', help: 'from this time on: RFC 3339, or how long ago, as 24h' },
    until: { type: 'string', value: 'TIME', help: 'before this time' },
    identity: { type: 'string', value: 'NS/NAME', help: 'of this ModuleIdentity' },
    serial: { type: 'string', value: 'HEX', help: 'about this certificate' },
    jti: { type: 'string', value: 'ID', help: 'about this JWT-SVID' },
  },
  details:
    `Without a path it reads ${DEFAULT_LOG}. Lines are printed as they are in the log, so that their hashes can be\n` +
    'checked later.\n\nExit code: 0, or 1 where lines were left out because they are no records.',
  run({ terminal, clock, audit, values, positionals }) {
    const [since, until] = [timeOf(values, 'since', clock.now()), timeOf(values, 'until', clock.now())];
    const [identity, jti] = [text(values, 'identity'), text(values, 'jti')];
    const serial = text(values, 'serial')?.toLowerCase();
    if (identity !== undefined && !/^[^/]+\/[^/]+$/.test(identity)) {
      throw new UsageError(`--identity: expected NAMESPACE/NAME, found ${identity}`);
    }
    const filter = {
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
      ...(identity !== undefined && { identity }),
      ...(serial !== undefined && { serial }),
      ...(jti !== undefined && { jti }),
    };
    const paths = positionals.length === 0 ? [DEFAULT_LOG] : positionals;
    const { unreadable } = audit.export(paths, filter, (line) => terminal.out(line));
    if (unreadable === 0) return Promise.resolve(EXIT.Ok);
    terminal.err(`${unreadable} lines are no records and were left out; keystead audit verify tells what they are`);
    return Promise.resolve(EXIT.Attention);
  },
};

function timeOf(values: Values, option: string, now: number): number | undefined {
  const given = text(values, option);
  if (given === undefined) return undefined;
  const days = /^(\d+)d$/.exec(given)?.[1];
  if (days !== undefined) return now - Number(days) * 86_400_000;
  if (/^[\d.]+[a-z]/.test(given)) return now - durationMs(given);
  const time = Date.parse(given);
  if (!Number.isNaN(time)) return time;
  throw new UsageError(`--${option}: expected a time as 2026-11-22T12:00:00Z or how long ago as 24h, found ${given}`);
}
