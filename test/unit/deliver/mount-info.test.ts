// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { parseMountInfo } from '../../../src/os/mount.ts';

describe('parseMountInfo', () => {
  it('reads path, file system and source, whatever the number of optional fields', () => {
    const text = [
      '22 1 254:0 / / rw,relatime - ext4 /dev/root rw',
      '36 22 0:30 / /run rw,nosuid shared:5 master:1 - tmpfs tmpfs rw,size=10k',
      '',
    ].join('\n');
    expect(parseMountInfo(text)).toEqual([
      { path: '/', fileSystem: 'ext4', source: '/dev/root' },
      { path: '/run', fileSystem: 'tmpfs', source: 'tmpfs' },
    ]);
  });

  it('decodes the octal escapes of the kernel once', () => {
    const line = '36 22 0:30 / /mnt/a\\040b\\011c\\012d\\134040e rw - tmpfs some\\040name rw';
    expect(parseMountInfo(line)).toEqual([{ path: '/mnt/a b\tc\nd\\040e', fileSystem: 'tmpfs', source: 'some name' }]);
  });

  it('leaves out lines of another form', () => {
    expect(parseMountInfo('nonsense\n1 2 3\n1 2 3:4 / /x rw - tmpfs')).toEqual([]);
  });
});
