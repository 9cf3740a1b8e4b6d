// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Parsers of the text files in /proc/<pid>, see proc_pid_stat(5), proc_pid_maps(5), user_namespaces(7). Pure. */

/** The fields of /proc/<pid>/stat that tell one process, and one program in it, from another. */
export interface ProcStat {
  /** Field 6: the process that began its session, whether it still lives or not. */
  readonly session: number;
  /** Field 22: clock ticks from boot to fork. */
  readonly startTime: string;
  /** Field 28: bottom of the stack, random for each exec; `0` where the reader may not know. */
  readonly stackStart: string;
  /** Fields 48 and 50: where its command line and its environment lie in its memory; `0` where the reader may not know. */
  readonly argvStart: string;
  readonly environStart: string;
}

const START_TIME = 22;
const STACK_START = 28;
const DIGITS = /^\d+$/;

/** Throws Internal for text that is not a stat line, which no kernel writes. */
export function parseStat(text: string): ProcStat {
  // The second field is the command in parentheses, and may itself hold spaces, parentheses and line ends.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => {
    const found = fields[number - 3]?.trim();
    if (found === undefined || !DIGITS.test(found)) throw malformed('stat', 'a line of at least 50 fields', text);
    return found;
  };
  return {
    session: Number(field(6)),
    startTime: field(START_TIME),
    stackStart: field(STACK_START),
    argvStart: field(48),
    environStart: field(50),
  };
}

/** The two fields of it by which one program in one process is known; read with every call of a module. */
export function parseStart(text: string): Pick<ProcStat, 'startTime' | 'stackStart'> {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', STACK_START - 2);
  const [startTime = '', stackStart = ''] = [fields[START_TIME - 3], fields[STACK_START - 3]];
  if (!DIGITS.test(startTime) || !DIGITS.test(stackStart))
    throw malformed('stat', 'a line of at least 50 fields', text);
  return { startTime, stackStart };
}

function malformed(file: string, expected: string, text: string): KeysteadError {
  const found = JSON.stringify(text.slice(0, 80));
  return new KeysteadError('Internal', `/proc/<pid>/${file}: expected ${expected}, found ${found}`);
}

/** A line of /proc/<pid>/uid_map or gid_map, read from outside of that user namespace. */
export interface ProcIdRange {
  readonly inside: number;
  readonly outside: number;
  readonly length: number;
}

/** Parses uid_map or gid_map; empty where no map is written yet. */
export function parseIdMap(text: string): ProcIdRange[] {
  return [...text.matchAll(/^ *(\d+) +(\d+) +(\d+)$/gm)].map(([, inside, outside, length]) => ({
    inside: Number(inside),
    outside: Number(outside),
    length: Number(length),
  }));
}

/** A mapping of a file in /proc/<pid>/maps that can be executed. */
export interface ExecutableMapping {
  /** `<start>-<end>` without leading zeros (maps has them): the name of its link in /proc/<pid>/map_files. */
  readonly range: string;
  /** Device and inode columns, only to tell files apart: before Linux 6.8 they are those of the layer's own file. */
  readonly file: string;
  readonly path: string;
  /** Whether writes to it would stay in this process (`p`), as with a program's code. */
  readonly private: boolean;
}

/** All memory that a process can execute. */
export interface ExecutableMemory {
  readonly files: readonly ExecutableMapping[];
  /** Bytes of memory without a file: a just-in-time compiler's code, or injected. Not vdso and vsyscall, the kernel's own. */
  readonly anonymousBytes: number;
}

/** `start-end perms offset device inode path`; the path column is empty for anonymous memory. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;
/** Code that the kernel itself puts into every process. */
const KERNELS = /^\[(?:vdso|vsyscall|vectors|sigpage|uprobes)\]$/;

/** Takes what is executable from the text of /proc/<pid>/maps. Anonymous memory has inode 0; a memfd is a file. */
export function parseExecutableMemory(text: string): ExecutableMemory {
  const files: ExecutableMapping[] = [];
  let anonymousBytes = 0;
  for (const line of text.split('\n')) {
    // Most are not executable: that is seen without taking them apart.
    if (line[line.indexOf(' ') + 3] !== 'x') continue;
    const [, start = '', end = '', permissions, device = '', inode = '', path = ''] = MAPPING.exec(line) ?? [];
    if (permissions === undefined) continue;
    if (inode !== '0') {
      const range = `${shorn(start)}-${shorn(end)}`;
      files.push({ range, file: `${device}/${inode}`, path, private: permissions[3] === 'p' });
    } else if (!KERNELS.test(path)) anonymousBytes += Number(BigInt(`0x${end}`) - BigInt(`0x${start}`));
  }
  return { files, anonymousBytes };
}

function shorn(address: string): string {
  return address.startsWith('0') ? address.replace(/^0+(?=.)/, '') : address;
}

/** Whether one of these addresses (decimal) lies in memory that stands for a file, by the text of /proc/<pid>/maps. */
export function isInFile(maps: string, addresses: readonly string[]): boolean {
  const wanted = addresses.map((address) => BigInt(address).toString(16));
  return maps.split('\n').some((line) => {
    const [start = '', end = ''] = line.slice(0, line.indexOf(' ')).split('-').map(shorn);
    if (!wanted.some((at) => !isBelow(at, start) && isBelow(at, end))) return false;
    const [, , , , , inode] = MAPPING.exec(line) ?? [];
    return inode !== undefined && inode !== '0';
  });
}

/** Of hexadecimal numbers without leading zeros. */
function isBelow(one: string, other: string): boolean {
  return one.length === other.length ? one < other : one.length < other.length;
}

/** Splits /proc/<pid>/cmdline or environ: strings, each ended by a zero byte. */
export function parseStrings(text: string): string[] {
  const strings = text.split('\0');
  // What follows the last zero byte is a string too where the process has overwritten that byte.
  if (strings.at(-1) === '') strings.pop();
  return strings;
}
