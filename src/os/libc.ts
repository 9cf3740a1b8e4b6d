// SPDX-License-Identifier: Apache-2.0
import koffi from 'koffi';
import { getSystemErrorName } from 'node:util';
import { KeysteadError } from '../errors.ts';

/** The C library of this process, bound once, for `src/os`. */
const library = koffi.load(null);

/**
 * Binds a C function by its prototype. The returned function throws an `Internal` KeysteadError that names the
 * call and errno (as `cause.code`, for example `ENOENT`) when the C function returns -1.
 */
export function libc(prototype: string): (...args: unknown[]) => number {
  const call = library.func(prototype) as (...args: unknown[]) => number;
  const name = /(\w+)\s*\(/.exec(prototype)?.[1] ?? prototype;
  return (...args) => {
    const result = call(...args);
    if (result === -1) throw systemError(name, koffi.errno());
    return result;
  };
}

/** Names a C structure for use in prototypes; an object with its fields is passed where a pointer to it is asked for. */
export function libcStruct(name: string, fields: Readonly<Record<string, string>>): void {
  koffi.struct(name, fields);
}

function systemError(call: string, errno: number): KeysteadError {
  const code = getSystemErrorName(-errno);
  return new KeysteadError('Internal', `${call} failed with ${code}`, {
    cause: Object.assign(new Error(code), { code }),
  });
}
