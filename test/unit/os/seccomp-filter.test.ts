// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { architectureOf, seccompProgram, systemCall, type Architecture } from '../../../src/os/seccomp-filter.ts';

const ALLOWED = 0x7fff0000;
const KILLED = 0x80000000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const READ = { x64: 0, arm64: 63 };
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 };

interface Call {
  readonly architecture: number;
  readonly number: number;
  readonly argument?: number;
}

/** Runs classic BPF as the kernel does, over struct seccomp_data. */
function verdict(program: Buffer, { architecture, number, argument = 0 }: Call): number {
  const data = new Map([
    [0, number],
    [4, architecture],
    [16, argument],
  ]);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const [code, k] = [program.readUInt16LE(8 * at), program.readUInt32LE(8 * at + 4)];
    if (code === 0x06) return k;
    if (code === 0x20) {
      accumulator = data.get(k)!;
      continue;
    }
    const holds = { 0x15: accumulator === k, 0x35: accumulator >= k, 0x45: (accumulator & k) >>> 0 > 0 }[code]!;
    at += program.readUInt8(8 * at + (holds ? 2 : 3));
  }
  throw new Error('the program runs over its end');
}

describe.each<Architecture>(['x64', 'arm64'])('the filter on %s', (architecture) => {
  const program = seccompProgram({ denied: ['execve', 'ptrace'], socketFamilies: [1, 16] }, architecture);
  const judged = (number: number, argument?: number): number =>
    verdict(program, { architecture: AUDIT[architecture], number, ...(argument !== undefined && { argument }) });
  const call = (name: Parameters<typeof systemCall>[0], argument?: number): number =>
    judged(systemCall(name, architecture), argument);

  it('refuses what is denied and allows the rest', () => {
    expect([call('execve'), call('ptrace'), call('execveat'), judged(READ[architecture])]).toEqual([
      EPERM,
      EPERM,
      ALLOWED,
      ALLOWED,
    ]);
  });

  it.each(['socket', 'socketpair'] as const)('lets %s through for the families given', (name) => {
    expect([1, 16, 2, 10, 0, 40].map((family) => call(name, family))).toEqual([
      ALLOWED,
      ALLOWED,
      EPERM,
      EPERM,
      EPERM,
      EPERM,
    ]);
  });

  it('lets threads and children be made, new namespaces not, and hides clone3', () => {
    const thread = 0x3d0f00;
    expect([call('clone', thread), call('clone', 17), call('clone', 0x10000011), call('clone3')]).toEqual([
      ALLOWED,
      ALLOWED,
      EPERM,
      ENOSYS,
    ]);
  });

  it('ends a process that calls by the numbers of another architecture', () => {
    const i386 = 0x40000003;
    expect(verdict(program, { architecture: i386, number: READ[architecture] })).toBe(KILLED);
    expect(judged(0x40000000 + 41, 2)).toBe(EPERM);
  });
});

it('an architecture whose numbers are not known is refused', () => {
  expect(architectureOf('arm64')).toBe('arm64');
  expect(() => architectureOf('riscv64')).toThrow('expected x64 or arm64, found riscv64');
});
