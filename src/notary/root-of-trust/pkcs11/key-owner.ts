// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { Fields } from '../../fields.ts';
import type { StateFolder } from '../../state-folder.ts';

const DOCUMENT = 'key-owner';
/** Begins the CKA_ID of every key that a notary makes. */
const MAGIC = Buffer.from('KST1', 'latin1');
const MARK_BYTES = 6;
const RANDOM_BYTES = 6;
const MAX_MARKS = 64;

/**
 * Whose keys on a token are whose. Two notaries of one node's name on one token would take each other's keys for what they
 * lost, and replace and destroy them. So each state folder has a mark, every key bears the mark of the one that made it in
 * its CKA_ID, which all tokens keep, and none with another mark is used or destroyed. Keys without any mark were made
 * before there were marks.
 */
export class KeyOwner {
  readonly #folder: string;
  readonly #marks: readonly [string, ...string[]];

  private constructor(folder: string, marks: readonly [string, ...string[]]) {
    this.#folder = folder;
    this.#marks = marks;
  }

  /** That of a state folder, which gets a mark where it has none. Throws InvalidConfiguration, Unavailable. */
  static of(state: StateFolder): KeyOwner {
    const [first, ...others] = marksIn(state);
    if (first !== undefined) return new KeyOwner(state.path, [first, ...others]);
    const mark = randomBytes(MARK_BYTES).toString('hex');
    state.write(DOCUMENT, { marks: [mark] });
    return new KeyOwner(state.path, [mark]);
  }

  /**
   * Sees to it that a state folder has a mark before several threads look for it. Where that fails it says nothing: a
   * thread that opens a token finds it too, and says so in the status.
   */
  static prepare(state: StateFolder): void {
    try {
      KeyOwner.of(state);
    } catch {
      // Said by the thread.
    }
  }

  /** A CKA_ID for a new key. */
  newId(): Buffer {
    return Buffer.concat([MAGIC, Buffer.from(this.#marks[0], 'hex'), randomBytes(RANDOM_BYTES)]);
  }

  /** Throws KeyUnfit where another notary made the key with this CKA_ID. */
  check(id: Buffer, label: string): void {
    if (!id.subarray(0, MAGIC.length).equals(MAGIC)) return;
    const mark = id.toString('hex', MAGIC.length, MAGIC.length + MARK_BYTES);
    if (this.#marks.includes(mark)) return;
    const expected = `one that this notary made (mark ${this.#marks[0]})`;
    const found = `one of a notary with another state folder (mark ${mark})`;
    const remedy =
      `give that one or this another node name, trust domain or token; or, where its folder is lost for good, add ` +
      `${mark} to the marks in ${this.#folder}/${DOCUMENT}.json`;
    throw new KeysteadError(
      'KeyUnfit',
      `key ${JSON.stringify(label)}: expected ${expected}, found ${found}; ${remedy}`,
    );
  }
}

function marksIn(state: StateFolder): string[] {
  try {
    const document = state.read(DOCUMENT);
    if (document === undefined) return [];
    const marks = new Fields(document, DOCUMENT).strings('marks', MAX_MARKS, 2 * MARK_BYTES);
    if (marks.length > 0 && marks.every((mark) => /^[0-9a-f]{12}$/.test(mark))) return [...marks];
    throw new KeysteadError('InvalidConfiguration', 'found no mark of 12 hexadecimal digits');
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    const message = `${state.path}/${DOCUMENT}.json says whose keys on the token are this notary's, and cannot be read: ${found}; restore it`;
    throw new KeysteadError('InvalidConfiguration', message, { cause });
  }
}
