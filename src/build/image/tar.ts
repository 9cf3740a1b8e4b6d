// SPDX-License-Identifier: Apache-2.0
import { open } from 'node:fs/promises';

/** One entry of a file system layer. Paths are relative, without a leading `./`. */
export type TarEntry = {
  readonly path: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'file'; readonly content: Buffer | FileContent }
);

/** A file on this machine whose bytes become the entry's. */
export interface FileContent {
  readonly source: string;
  readonly size: number;
}

const BLOCK = 512;
const CHUNK = 1024 * 1024;
const TYPE_FLAGS = { file: '0', symlink: '2', directory: '5' } as const;

/**
 * The bytes of a POSIX ustar archive. Entries are sorted, every parent folder is there, times are the Unix epoch and
 * owners numeric: the same input gives the same bytes on every machine.
 */
export async function* tarBytes(entries: readonly TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of withParents(entries)) {
    const size = entry.kind === 'file' ? sizeOf(entry.content) : 0;
    yield header(entry, size);
    if (entry.kind === 'file') yield* contentBytes(entry.path, entry.content, size);
    if (size % BLOCK !== 0) yield Buffer.alloc(BLOCK - (size % BLOCK));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const entry of entries) {
    if (all.has(entry.path)) throw new Error(`${entry.path} is twice in one layer`);
    all.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const parent = path.slice(0, cut);
      if (!all.has(parent)) all.set(parent, { kind: 'directory', path: parent, mode: 0o755 });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function sizeOf(content: Buffer | FileContent): number {
  return Buffer.isBuffer(content) ? content.length : content.size;
}

async function* contentBytes(path: string, content: Buffer | FileContent, size: number): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(content)) {
    yield content;
    return;
  }
  await using file = await open(content.source);
  let done = 0;
  while (done < size) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(CHUNK, size - done)), 0, null, null);
    if (bytesRead === 0) throw new Error(`${content.source} became shorter while it was packed as ${path}`);
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function header(entry: TarEntry, size: number): Buffer {
  const name = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const block = Buffer.alloc(BLOCK);
  const [prefix, rest] = splitName(name);
  writeText(block, rest, 0, 100);
  writeOctal(block, entry.mode, 100, 8);
  writeOctal(block, entry.uid ?? 0, 108, 8);
  writeOctal(block, entry.gid ?? 0, 116, 8);
  writeOctal(block, size, 124, 12);
  writeOctal(block, 0, 136, 12);
  block.fill(' ', 148, 156);
  block.write(TYPE_FLAGS[entry.kind], 156, 'latin1');
  if (entry.kind === 'symlink') writeText(block, entry.target, 157, 100);
  block.write('ustar\u000000', 257, 'latin1');
  writeText(block, prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A long path goes into two fields, parted at a slash. */
function splitName(name: string): [prefix: string, rest: string] {
  if (Buffer.byteLength(name) <= 100) return ['', name];
  const cut = name.indexOf('/', Math.max(0, name.length - 101));
  return cut < 0 || cut === name.length - 1 ? ['', name] : [name.slice(0, cut), name.slice(cut + 1)];
}

function writeText(block: Buffer, text: string, offset: number, length: number): void {
  if (Buffer.byteLength(text) > length) throw new Error(`${text} is longer than the ${length} bytes of a tar header`);
  block.write(text, offset, 'utf8');
}

function writeOctal(block: Buffer, value: number, offset: number, length: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
}
