// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { KeysteadError } from '../../../errors.ts';
import { errnoOf } from '../../../os/files.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The PIN in a file, without one line end behind it. The buffer read is wiped; the string that PKCS#11 needs cannot
 * be, so keep it no longer than the login lasts. Throws InvalidConfiguration where there is none.
 */
export function readPin(path: string): string {
  const content = readPinFile(path);
  try {
    let end = content.length;
    if (content[end - 1] === LINE_FEED) end -= content[end - 2] === CARRIAGE_RETURN ? 2 : 1;
    if (end === 0)
      throw new KeysteadError('InvalidConfiguration', `the PIN file ${path} is empty; put the user PIN in`);
    return content.toString('utf8', 0, end);
  } finally {
    content.fill(0);
  }
}

function readPinFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const found = errnoOf(cause) ?? String(cause);
    const remedy = 'mount the file with the user PIN and let the notary read it';
    throw new KeysteadError('InvalidConfiguration', `cannot read the PIN file ${path}: ${found}; ${remedy}`, { cause });
  }
}
