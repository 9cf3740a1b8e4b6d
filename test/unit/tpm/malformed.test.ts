// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { signDigest } from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { fakeTpm, type Changes } from './fake-tpm.ts';
import { object, OPERATIONS } from './operations.ts';
import { bytes } from './recorded.ts';

/** What came of a call; anything but a result or a KeysteadError fails the test. */
function outcome(run: () => unknown): string {
  try {
    run();
    return 'good';
  } catch (thrown) {
    if (thrown instanceof KeysteadError) return thrown.code;
    throw thrown;
  }
}

describe('a TPM that answers well', () => {
  // The recorded names are of other objects than those that these calls name; names are checked.
  const NAMED = new Set(['Load', 'LoadExternal', 'Quote']);

  it.each(OPERATIONS)('%s', (name, run) => {
    if (!NAMED.has(name)) expect(outcome(() => run(new Tpm(fakeTpm())))).toBe('good');
  });
});

describe('a response', () => {
  const answered = (changes: Changes) => outcome(() => signDigest(new Tpm(fakeTpm(changes)), object, Buffer.alloc(32)));
  const onSign = (change: (octets: Buffer) => Buffer) => ({
    response: (octets: Buffer, command: string) => (command === 'Sign' ? change(octets) : octets),
  });

  it.each<readonly [string, (octets: Buffer) => Buffer]>([
    ['that is empty', () => Buffer.alloc(0)],
    ['shorter than a header', (octets) => octets.subarray(0, 9)],
    ['that is cut', (octets) => octets.subarray(0, -1)],
    ['with octets after its end', (octets) => Buffer.concat([octets, Buffer.of(0)])],
    ['with another size in it', (octets) => (octets.writeUInt32BE(11, 2), octets)],
    ['with a foreign tag', (octets) => (octets.writeUInt16BE(0x00c4, 0), octets)],
    ['with a parameter size beyond its end', (octets) => (octets.writeUInt32BE(0xffff, 10), octets)],
    ['whose parameters were changed on the way', (octets) => ((octets[20] = octets[20]! ^ 1), octets)],
    ['whose HMAC was changed on the way', (octets) => ((octets[octets.length - 1] = octets.at(-1)! ^ 1), octets)],
    [
      'that leaves the sessions out',
      (octets) => {
        const parameters = octets.subarray(14, 14 + octets.readUInt32BE(10));
        const bare = Buffer.concat([bytes('80010000000000000000'), parameters]);
        bare.writeUInt32BE(bare.length, 2);
        return bare;
      },
    ],
  ])('%s is refused', (_, change) => {
    expect(answered(onSign(change))).toBe('TokenFailed');
  });

  it('that says "busy" is asked for again with the same command', () => {
    let times = 0;
    const busy = onSign((octets) => (++times < 4 ? bytes('80010000000a00000922') : octets));
    expect(answered(busy)).toBe('good');
    expect(times).toBe(4);
  });

  it('that knows the sessions no more has them opened anew, once', () => {
    let times = 0;
    const channel = fakeTpm(onSign((octets) => (++times === 1 ? bytes('80010000000a00000918') : octets)));
    signDigest(new Tpm(channel), object, Buffer.alloc(32));
    expect(channel.commands).toEqual(['StartAuthSession', 'Sign', 'StartAuthSession', 'Sign']);
  });
});
