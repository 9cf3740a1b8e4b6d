// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../../src/log.ts';
import { Attestation } from '../../../src/notary/attestation.ts';
import { TpmAttester } from '../../../src/notary/root-of-trust/tpm/attester.ts';
import { openTpm } from '../../../src/notary/root-of-trust/tpm/open.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);
requireTools();

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const PROGRAMS = [randomBytes(32), randomBytes(32)];
const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
/** What PCR 23 is after both. */
const MEASURED = PROGRAMS.reduce((value, program) => sha256(value, program), sha256().fill(0)).toString('hex');

async function attesting(): Promise<{ soft: SoftTpm; opened: () => number; quoted: () => string }> {
  const soft = await SoftTpm.started({ unix: true });
  let opened = 0;
  const attestation = new Attestation({
    open: () => {
      opened++;
      const tpm = openTpm({ socket: soft.socketPlace });
      return new TpmAttester(tpm, { close: () => tpm.close() });
    },
    pcr: 23,
    programs: PROGRAMS,
    log: createLogger('test', 'silent'),
  });
  cleanups.push(async () => {
    attestation.close();
    await soft.remove();
  });
  attestation.measure();
  const quoted = (): string => attestation.use((attester) => attester.quote(randomBytes(16), [23])).pcrs[0]!.sha256;
  return { soft, opened: () => opened, quoted };
}

describe('the programs', () => {
  it('are measured before anything is quoted, once as long as the TPM runs', async () => {
    const { quoted, opened } = await attesting();
    expect([quoted(), quoted()]).toEqual([MEASURED, MEASURED]);
    expect(opened()).toBe(1);
  });

  it('are measured again after the TPM was restarted, and the question that met it is answered', async () => {
    const { soft, quoted, opened } = await attesting();
    await soft.stop();
    await soft.start();
    expect(quoted()).toBe(MEASURED);
    expect(opened()).toBe(2);
  });

  it('are not quoted by a TPM that stays away, which is told after one more try', async () => {
    const { soft, quoted, opened } = await attesting();
    await soft.stop();
    expect(quoted).toThrow(expect.objectContaining({ code: 'TokenAbsent' }));
    expect(opened()).toBe(2);
    await soft.start();
    expect(quoted()).toBe(MEASURED);
  });
});
