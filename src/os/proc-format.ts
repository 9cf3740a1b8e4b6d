// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Parsers of the text files in /proc/<pid>, see proc_pid_stat(5), proc_pid_status(5), user_namespaces(7). Pure. */

/** The fields of /proc/<pid>/stat that tell one process, and one program in it, from another. */
export interface ProcStat {
  /** Field 22: clock ticks from boot to fork. */
  readonly startTime: string;
  /** Field 28: bottom of the stack, random for each exec; `0` where the reader may not know. */
  readonly stackStart: string;
}

/** Throws Internal for text that is not a stat line, which no kernel writes. */
export function parseStat(text: string): ProcStat {
  // The second field is the command in parentheses, and may itself hold spaces, parentheses and line ends.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [startTime, stackStart] = [fields[22 - 3], fields[28 - 3]];
  if (startTime === undefined || stackStart === undefined)
    throw malformed('stat', 'a line of at least 28 fields', text);
  return { startTime, stackStart };
}

/** Ids of a process, each as real, effective, saved, file system. */
export interface ProcIds {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** Takes the Uid and Gid lines of /proc/<pid>/status. Throws Internal where they are missing. */
export function parseIds(text: string): ProcIds {
  return { uids: idLine(text, 'Uid'), gids: idLine(text, 'Gid') };
}

function idLine(text: string, name: string): number[] {
  const line = new RegExp(`^${name}:\\t(\\d+)\\t(\\d+)\\t(\\d+)\\t(\\d+)$`, 'm').exec(text);
  if (line === null) throw malformed('status', `a line ${name} with four ids`, text);
  return line.slice(1).map(Number);
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

/** An executable mapping in /proc/<pid>/maps. */
export interface ExecutableMapping {
  /** `<start>-<end>` without leading zeros (maps has them): the name of its link in /proc/<pid>/map_files. */
  readonly range: string;
  /** Device and inode columns, only to tell files apart: before Linux 6.8 they are those of the layer's own file. */
  readonly file: string;
  readonly path: string;
}

/** `start-end perms offset device inode path`; the path column is empty for anonymous memory. */
const MAPPING = /^([0-9a-f]+-[0-9a-f]+) (\S{4}) [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/;

/**
 * Executable mappings of files in /proc/<pid>/maps. Anonymous memory (the code of a just-in-time compiler), vdso and
 * vsyscall have inode 0 and are left out; a memfd is a file.
 */
export function parseExecutableMappings(text: string): ExecutableMapping[] {
  return text.split('\n').flatMap((line) => {
    const [, range, permissions, device, inode, path] = MAPPING.exec(line) ?? [];
    if (range === undefined || permissions?.[2] !== 'x' || inode === '0') return [];
    return [
      { range: range.replace(/\b0+(?=[0-9a-f])/g, ''), file: `${device ?? ''}/${inode ?? ''}`, path: path ?? '' },
    ];
  });
}
