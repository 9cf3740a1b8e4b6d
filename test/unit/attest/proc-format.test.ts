// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parseExecutableMappings, parseIdMap, parseIds, parseStat } from '../../../src/os/proc-format.ts';

function recorded(name: string): string {
  return readFileSync(new URL(`testdata/lab-pod-${name}.txt`, import.meta.url), 'utf8');
}

describe('parseStat', () => {
  it('reads a real process', () => {
    expect(parseStat(recorded('stat'))).toEqual({ startTime: '149967', stackStart: '140737254216304' });
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
    expect(() => parseStat(text)).toThrow('expected a line of at least 28 fields');
  });
});

describe('parseIds', () => {
  it('reads a real process', () => {
    const uid = [65535, 65535, 65535, 65535];
    expect(parseIds(recorded('status'))).toEqual({ uids: uid, gids: [0, 0, 0, 0] });
  });

  it('keeps the four apart and is not misled by the name of the process', () => {
    const text = 'Name:\tUid:\\n\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t\n';
    expect(parseIds(text)).toEqual({ uids: [1, 2, 3, 4], gids: [5, 6, 7, 8] });
  });

  it('throws where a line is missing', () => {
    expect(() => parseIds('Uid:\t1\t2\t3\t4\n')).toThrow('expected a line Gid');
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

describe('parseExecutableMappings', () => {
  it('reads a real process', () => {
    expect(parseExecutableMappings(recorded('maps'))).toEqual([
      { range: '401000-585000', file: '00:2c/860263', path: '/bin/busybox' },
    ]);
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
    const [mapping] = parseExecutableMappings(line);
    expect(mapping).toEqual({ range: '7f0000001000-7f0000002000', file: expect.stringMatching(/\/42$/), path });
  });

  it.each([
    ['the code of a just-in-time compiler', '7f0000001000-7f0000002000 rwxp 00000000 00:00 0 '],
    ['named anonymous memory', '7f0000001000-7f0000002000 r-xp 00000000 00:00 0    [anon:v8]'],
    ['vdso', '7f4018a40000-7f4018a42000 r-xp 00000000 00:00 0    [vdso]'],
    ['data', '7f0000001000-7f0000002000 rw-p 00001000 08:01 42   /lib/a.so'],
    ['an empty line', ''],
  ])('leaves out %s', (_, line) => {
    expect(parseExecutableMappings(line)).toEqual([]);
  });
});
