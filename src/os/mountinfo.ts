// SPDX-License-Identifier: Apache-2.0
/** Parser of mountinfo, see proc_pid_mountinfo(5). Pure. */

export interface MountEntry {
  readonly id: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** Path in the file system that is the root of this mount. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  /** Options of the file system in their order; the value of a flag is empty. A key may repeat (`lowerdir+`). */
  readonly options: readonly (readonly [key: string, value: string])[];
}

/** One line; undefined where it is not a mountinfo line. */
export function parseMount(line: string): MountEntry | undefined {
  const [mount, superblock] = line.split(' - ');
  const [id, , device, root, mountPoint] = mount?.split(' ') ?? [];
  const [type, , options] = superblock?.split(' ') ?? [];
  if (device === undefined || root === undefined || mountPoint === undefined || type === undefined) return undefined;
  return {
    id: Number(id),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    type,
    options: (options ?? '').split(',').map((option) => {
      const at = option.indexOf('=');
      return at < 0 ? [option, ''] : [option.slice(0, at), unescapeOctal(option.slice(at + 1))];
    }),
  };
}

/** The kernel writes space, tab, line end, backslash, comma and the like as three octal digits. */
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  // Byte by byte, since an escaped and a plain byte may belong to one character of UTF-8.
  const bytes = Buffer.from(text).toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1').toString();
}
