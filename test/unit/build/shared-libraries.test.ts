// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { parseLdd, sharedLibraries } from '../../../src/build/image/shared-libraries.ts';

const OUTPUT = `
	linux-vdso.so.1 (0x00007fa36c961000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fa36c861000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fa36c41e000)
	/lib64/ld-linux-x86-64.so.2 (0x00007fa36c963000)
`;

describe('shared libraries', () => {
  it('finds libraries and the program loader, not the vdso', () => {
    expect(parseLdd('/bin/x', OUTPUT)).toEqual([
      '/lib/x86_64-linux-gnu/libm.so.6',
      '/lib/x86_64-linux-gnu/libc.so.6',
      '/lib64/ld-linux-x86-64.so.2',
    ]);
  });

  it('names a library that is missing', () => {
    expect(() => parseLdd('/bin/x', '\tlibvendor.so.1 => not found\n')).toThrow('/bin/x needs libvendor.so.1');
  });

  it('finds those of the running program, each once', async () => {
    const found = (await sharedLibraries([process.execPath, process.execPath])).map(({ path }) => path);
    expect(found.some((path) => path.endsWith('/libc.so.6'))).toBe(true);
    expect(new Set(found).size).toBe(found.length);
  });

  it('says what is no program', async () => {
    await expect(sharedLibraries(['/etc/passwd'])).rejects.toThrow('ldd /etc/passwd failed');
  });
});
