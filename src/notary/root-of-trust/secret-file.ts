// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { KeysteadError } from '../../errors.ts';
import { errnoOf } from '../../os/files.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The secret in a file, without one line end behind it; the caller wipes it. `what` names it in errors, for example `PIN`.
 * Throws InvalidConfiguration where there is none.
 */
export function readSecretFile(path: string, what: string): Buffer {
  const content = readWhole(path, what);
  try {
    let end = content.length;
    if (content[end - 1] === LINE_FEED) end -= content[end - 2] === CARRIAGE_RETURN ? 2 : 1;
    if (end === 0) {
      throw new KeysteadError('InvalidConfiguration', `the ${what} file ${path} is empty; put the ${what} in`);
    }
    return Buffer.from(content.subarray(0, end));
  } finally {
    content.fill(0);
  }
}

function readWhole(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const found = errnoOf(cause) ?? String(cause);
    const remedy = `mount the file with the ${what} and let the notary read it`;
    throw new KeysteadError('InvalidConfiguration', `cannot read the ${what} file ${path}: ${found}; ${remedy}`, {
      cause,
    });
  }
}
