// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { possible } from './container.ts';

jest.setTimeout(30_000);

const CHILD = join(import.meta.dirname, 'peer-reuse-child.ts');

/** In a pid namespace of its own the next pid can be chosen, as a wrap of the whole pid space would choose it. */
(possible ? describe : describe.skip)(
  'the process at the other end of a socket, when its pid belongs to another',
  () => {
    it('is known to have ended, though a process of that pid lives', async () => {
      const command = ['--pid', '--mount-proc', '--fork', '--kill-child', process.execPath, CHILD];
      const child = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await new Promise((resolve) => child.once('close', resolve));
      const found = JSON.parse(said) as { before: boolean; pid: number; reused: number; after: boolean; late: boolean };
      expect(found).toMatchObject({ before: true, after: false, late: false });
      expect(found.reused).toBe(found.pid);
    });
  },
);
