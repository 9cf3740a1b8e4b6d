// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { isInFile, parseExecutableMemory, parseIdMap, parseStat, parseStrings } from '../../../src/os/proc-format.ts';
import { capabilityNames } from '../../../src/os/capabilities.ts';
import { parseStatus } from '../../../src/os/proc-status.ts';

function recorded(name: string): string {
  return readFileSync(new URL(`testdata/lab-pod-${name}.txt`, import.meta.url), 'utf8');
}

describe('parseStat', () => {
  it('reads a real process', () => {
    expect(parseStat(recorded('stat'))).toMatchObject({ startTime: '149967', stackStart: '140737254216304' });
  });

  it.each([
    '(x)',
    ') S 1 (',
    'a\nb) R 9 9',
    '((((',
    'x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 666 20 21 22 23 24 25',
  ])('is not misled by the command %p', (command) => {
    expect(parseStat(recorded('stat').replace('(sh)', `(${command})`)).startTime).toBe('149967');
  });

  it.each(['', '8348 (sh) S 1'])('throws for %p', (text) => {
    expect(() => parseStat(text)).toThrow('expected a line of at least 50 fields');
  });
});

describe('parseStatus', () => {
  it('reads a real process', () => {
    const uid = [65535, 65535, 65535, 65535];
    expect(parseStatus(recorded('status'))).toMatchObject({ uids: uid, gids: [0, 0, 0, 0], tracer: 0 });
  });

  const text = [
    ...['Name:\tUid:\\n', 'Umask:\t0022', 'PPid:\t7', 'TracerPid:\t9', 'Uid:\t1\t2\t3\t4', 'Gid:\t5\t6\t7\t8'],
    ...['Groups:\t10 20 ', 'NSpid:\t4300\t12', 'CapPrm:\t0000000000000401', 'NoNewPrivs:\t1', 'Seccomp:\t2', ''],
  ].join('\n');

  it('takes all fields and is not misled by the name of the process', () => {
    expect(parseStatus(text)).toEqual({
      parent: 7,
      depth: 2,
      tracer: 9,
      uids: [1, 2, 3, 4],
      gids: [5, 6, 7, 8],
      groups: [10, 20],
      permitted: 0x401n,
      noNewPrivileges: true,
      seccomp: 'Filter',
    });
  });

  it('knows no groups, no seccomp and an unknown mode of it', () => {
    const change = (from: RegExp, to: string) => parseStatus(text.replace(from, to));
    expect(change(/Groups:.*/, 'Groups:\t')).toMatchObject({ groups: [] });
    expect(change(/Seccomp:.*\n/, '')).toMatchObject({ seccomp: 'Off' });
    expect(change(/Seccomp:.*/, 'Seccomp:\t7')).toMatchObject({ seccomp: 'Filter' });
  });

  it.each(['Uid', 'Gid', 'PPid', 'CapPrm', 'TracerPid', 'NoNewPrivs', 'NSpid'])(
    'throws where %s is missing',
    (field) => {
      expect(() => parseStatus(text.replace(new RegExp(`^${field}:.*\n`, 'm'), ''))).toThrow(
        '/proc/<pid>/status: expected',
      );
    },
  );

  it('throws for a set of capabilities that is no number', () => {
    expect(() => parseStatus(text.replace(/CapPrm:.*/, 'CapPrm:\txyz'))).toThrow('expected CapPrm');
  });
});

describe('capabilityNames', () => {
  it.each<[bigint, string[]]>([
    [0n, []],
    [1n | (1n << 40n), ['CHOWN', 'CHECKPOINT_RESTORE']],
    [1n << 21n, ['SYS_ADMIN']],
    [1n << 50n, ['50']],
  ])('of %s', (set, names) => {
    expect(capabilityNames(set)).toEqual(names);
  });
});

describe('parseIdMap', () => {
  it.each([
    ['', []],
    [recorded('uid_map'), [{ inside: 0, outside: 0, length: 4294967295 }]],
    [
      '         0     100000      65536\n     65536       1000          1\n',
      [
        { inside: 0, outside: 100000, length: 65536 },
        { inside: 65536, outside: 1000, length: 1 },
      ],
    ],
  ])('of %j', (text, map) => {
    expect(parseIdMap(text)).toEqual(map);
  });
});

describe('parseExecutableMemory', () => {
  it('reads a real process', () => {
    const files = [{ range: '401000-585000', file: '00:2c/860263', path: '/bin/busybox', private: true }];
    expect(parseExecutableMemory(recorded('maps'))).toEqual({ files, anonymousBytes: 0 });
  });

  it.each([
    ['a library', '7f0000001000-7f0000002000 r-xp 00001000 08:01 42   /lib/a b.so', '/lib/a b.so'],
    ['a deleted file', '7f0000001000-7f0000002000 r-xp 00001000 08:01 42   /lib/a.so (deleted)', '/lib/a.so (deleted)'],
    [
      'a memfd',
      '7f0000001000-7f0000002000 rwxs 00000000 00:01 42   /memfd:doublemapper (deleted)',
      '/memfd:doublemapper (deleted)',
    ],
    ['a file without a name', '7f0000001000-7f0000002000 r-xp 00000000 00:01 42 ', ''],
  ])('takes %s', (_, line, path) => {
    const [mapping] = parseExecutableMemory(line).files;
    expect(mapping).toMatchObject({ range: '7f0000001000-7f0000002000', file: expect.stringMatching(/\/42$/), path });
  });

  it('tells code that stays private from shared code', () => {
    const line = (permissions: string) => `7f0000001000-7f0000002000 ${permissions} 00001000 08:01 42 /lib/a.so`;
    expect(parseExecutableMemory(line('r-xp')).files).toMatchObject([{ private: true }]);
    expect(parseExecutableMemory(line('r-xs')).files).toMatchObject([{ private: false }]);
  });

  it.each([
    ['the code of a just-in-time compiler', '7f0000001000-7f0000002000 rwxp 00000000 00:00 0 '],
    ['named anonymous memory', '7f0000001000-7f0000002000 r-xp 00000000 00:00 0    [anon:v8]'],
    ['an executable stack', '7ffc00001000-7ffc00002000 rwxp 00000000 00:00 0    [stack]'],
  ])('counts %s', (_, line) => {
    expect(parseExecutableMemory(`${line}\n${line}`)).toEqual({ files: [], anonymousBytes: 8192 });
  });

  it.each([
    ['vdso', '7f4018a40000-7f4018a42000 r-xp 00000000 00:00 0    [vdso]'],
    ['data', '7f0000001000-7f0000002000 rw-p 00001000 08:01 42   /lib/a.so'],
    ['an empty line', ''],
  ])('leaves out %s', (_, line) => {
    expect(parseExecutableMemory(line)).toEqual({ files: [], anonymousBytes: 0 });
  });
});

describe('isInFile', () => {
  const maps = '1000-2000 rw-p 00000000 00:00 0    [stack]\n2000-3000 rw-s 00000000 00:2a 7   /fuse/x\n';
  it.each([
    ['the stack', '4096', false],
    ['a file', '8192', true],
    ['the end of a file', '12288', false],
    ['nothing', '0', false],
  ])('tells %s', (_, address, expected) => {
    expect(isInFile(maps, [address])).toBe(expected);
    expect(isInFile(maps, ['1', address])).toBe(expected);
  });
});

describe('parseStrings', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['/bin/sh\0-c\0\0', ['/bin/sh', '-c', '']],
    ['nginx: master process', ['nginx: master process']],
  ])('of %j', (text, strings) => {
    expect(parseStrings(text)).toEqual(strings);
  });
});
