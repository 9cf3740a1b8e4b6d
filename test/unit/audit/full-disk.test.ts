// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from './samples.ts';

const MODULE = join(import.meta.dirname, '../../../src/audit/log.ts');

/** What a log says in a process whose files may have so many blocks of 1024 octets: 0 is a disk that is full. */
function asked(blocks: string, steps: string): string[] {
  const program = `
    import { AuditLog } from ${JSON.stringify(MODULE)};
    const clock = { now: () => Date.now() };
    const log = new AuditLog({ folder: ${JSON.stringify(temporaryFolder())}, clock, version: '1.2.3' });
    const said = (step) => { try { return step()?.failure?.code ?? 'well'; } catch (error) { return error.code; } };
    for (const step of [${steps}]) console.log(said(step));`;
  const limited = `ulimit -f ${blocks}; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', limited, process.execPath, program], { encoding: 'utf8' });
  return (stdout + stderr).trim().split('\n');
}

describe('on a full disk the audit log', () => {
  const STATUS = '() => log.state(), () => log.commit()';
  const USE = "() => log.append('{}'), () => log.commit()";

  it('keeps back no answer that needs no record, as that to a question for the status', () => {
    expect(asked('0', STATUS)).toEqual(['AuditUnavailable', 'well']);
    expect(asked('unlimited', `${STATUS}, ${USE}`)).toEqual(['well', 'well', 'well', 'well']);
  });

  it('takes in nothing, and keeps back what it had taken in before', () => {
    expect(asked('0', USE)[0]).toBe('AuditUnavailable');
    const long = "() => log.append(JSON.stringify({ long: 'x'.repeat(2000) })), () => log.commit(), () => log.commit()";
    expect(asked('1', long)).toEqual(['well', 'AuditUnavailable', 'well']);
  });
});
