// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SlotFile } from '../../../src/notary/slot-file.ts';
import { temporaryFolder } from './fixtures.ts';

const ENTRY_BYTES = 64;
/** Files of the process that writes may have so many entries: 1024 octets, by its limit. */
const FITTING = 16;
const MODULE = join(import.meta.dirname, '../../../src/notary/slot-file.ts');

/** Notes so many entries at once in a process whose files are limited, and says what came of it. */
function noted(path: string, count: number): string {
  const program = `
    import { SlotFile } from ${JSON.stringify(MODULE)};
    const file = new SlotFile({ path: ${JSON.stringify(path)}, entryBytes: ${ENTRY_BYTES}, capacity: 64 });
    file.open();
    for (let slot = 0; slot < ${count}; slot++) { file.entry(slot).fill(1 + slot); file.changed(slot); }
    try { file.commit(); console.log('committed'); } catch (error) { console.log(error.code, error.message); }`;
  const limited = `ulimit -f 1; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', limited, process.execPath, program], { encoding: 'utf8' });
  return stdout + stderr;
}

describe('entries noted together', () => {
  it('are all on the disk when the commit returns', () => {
    const path = join(temporaryFolder(), 'entries');
    expect(noted(path, FITTING)).toBe('committed\n');
    expect(readFileSync(path)).toHaveLength(FITTING * ENTRY_BYTES);
    const file = new SlotFile({ path, entryBytes: ENTRY_BYTES, capacity: 64 });
    file.open();
    for (let slot = 0; slot < FITTING; slot++) expect(file.entry(slot)).toEqual(Buffer.alloc(ENTRY_BYTES, 1 + slot));
    file.close();
  });

  it('are refused where the disk takes the first of them alone', () => {
    const path = join(temporaryFolder(), 'entries');
    expect(noted(path, FITTING + 1)).toMatch(/^Unavailable .*EFBIG/);
    expect(readFileSync(path)).toHaveLength(FITTING * ENTRY_BYTES);
  });
});
