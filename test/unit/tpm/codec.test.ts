// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { COMMANDS } from '../../../src/notary/root-of-trust/tpm/command-table.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { ENDORSEMENT_KINDS } from '../../../src/tpm/endorsement-key.ts';
import { kdfA } from '../../../src/tpm/key-derivation.ts';
import { encodeSelection, pcrDigest, readSelection } from '../../../src/tpm/pcr-selection.ts';
import { encodePublic, parsePublic } from '../../../src/tpm/public-area.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import { isBusy, refusal, refusalOf } from '../../../src/notary/root-of-trust/tpm/response-codes.ts';
import { secretPolicy, NO_POLICY } from '../../../src/notary/root-of-trust/tpm/policy.ts';
import { list, sized, u16, u32, u8 } from '../../../src/tpm/writer.ts';
import { bytes, RECORDED } from './recorded.ts';

describe('numbers and lists', () => {
  it('come back as they were written, also the largest', () => {
    const octets = Buffer.concat([
      u8(255),
      u16(0xfffe),
      u32(0xfffffffd),
      sized(Buffer.from('abc')),
      list([u16(1), u16(2)]),
    ]);
    const reader = new TpmReader(octets, 'sample');
    expect([reader.u8(), reader.u16(), reader.u32(), reader.sized().toString()]).toEqual([
      255,
      0xfffe,
      0xfffffffd,
      'abc',
    ]);
    expect(reader.list(2, (element) => element.u16())).toEqual([1, 2]);
    reader.end();
    expect(new TpmReader(Buffer.alloc(8, 0xff), 'sample').u64()).toBe(0xffffffffffffffffn);
  });

  it.each([
    ['a number that is cut', '00', (reader: TpmReader) => reader.u16()],
    ['a length beyond the end', '0005aabb', (reader: TpmReader) => reader.sized()],
    ['a count that cannot fit', 'ffffffff0000', (reader: TpmReader) => reader.list(1, (element) => element.u8())],
    ['octets after the end', '00', (reader: TpmReader) => reader.end()],
  ])('refuse %s', (_, hex, read) => {
    expect(() => read(new TpmReader(bytes(hex), 'sample'))).toThrow(/^malformed sample at octet \d+: found /);
  });
});

describe('response codes', () => {
  it.each([
    [0x98e, 'PinRejected', 'TPM_RC_AUTH_FAIL of session 1 (0x98e)'],
    [0x9a2, 'PinRejected', 'TPM_RC_BAD_AUTH of session 1 (0x9a2)'],
    [0x921, 'PinLocked', 'TPM_RC_LOCKOUT (0x921)'],
    [0x902, 'TokenFull', 'TPM_RC_OBJECT_MEMORY (0x902)'],
    [0x18b, 'NotFound', 'TPM_RC_HANDLE of handle 1 (0x18b)'],
    [0x2c4, 'TokenFailed', 'TPM_RC_VALUE of parameter 2 (0x2c4)'],
    [0x1df, 'KeyUnfit', 'TPM_RC_INTEGRITY of parameter 1 (0x1df)'],
    [0x99d, 'PermissionDenied', 'TPM_RC_POLICY_FAIL of session 1 (0x99d)'],
    [0x128, 'PermissionDenied', 'TPM_RC_PCR_CHANGED (0x128)'],
    [0x143, 'MechanismMissing', 'TPM_RC_COMMAND_CODE (0x143)'],
    [0x100, 'Unavailable', 'TPM_RC_INITIALIZE (0x100)'],
    [0xfff, 'TokenFailed', 'TPM_RC_UNKNOWN'],
    [0xffffffff, 'TokenFailed', 'TPM_RC_UNKNOWN'],
  ])('%i is %s', (code, expected, text) => {
    const error = refusal('Sign', code);
    expect(error).toMatchObject({ code: expected });
    expect(error.message).toContain(`TPM2_Sign was refused with ${text}`);
  });

  it('are told apart from other errors, and from those after which the same is sent again', () => {
    expect(refusalOf(refusal('Load', 0x902))).toBe('TPM_RC_OBJECT_MEMORY');
    expect(refusalOf(new KeysteadError('TokenFailed', 'x'))).toBeUndefined();
    expect([0x922, 0x908, 0x90a, 0x920].every(isBusy)).toBe(true);
    expect([0, 0x921, 0x902].some(isBusy)).toBe(false);
  });
});

describe('the command table', () => {
  it('has no two commands of one code, and no more authorisations than handles', () => {
    const shapes = Object.values(COMMANDS);
    expect(new Set(shapes.map(({ code }) => code)).size).toBe(shapes.length);
    expect(shapes.filter(({ auths, handles }) => auths > handles)).toEqual([]);
  });
});

describe('public areas', () => {
  it.each(['CreatePrimary', 'ReadPublic', 'NV_ReadPublic'])(
    'read from %s are written again byte for byte',
    (command) => {
      const octets = bytes(RECORDED.responses[command]!.split(':').at(-1)!);
      const publicArea = new TpmReader(octets, command).sized();
      if (command === 'NV_ReadPublic') expect(() => parsePublic(publicArea)).toThrow('malformed TPMT_PUBLIC');
      else expect(encodePublic(parsePublic(publicArea))).toEqual(publicArea);
    },
  );

  it('of the endorsement templates are those of the TCG', () => {
    const rsa = encodePublic(ENDORSEMENT_KINDS['RSA-2048'].template).toString('hex');
    const policy = '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa';
    expect(rsa).toBe(`0001000b000300b20020${policy}00060080004300100800000000000100${'00'.repeat(256)}`);
    const ecc = encodePublic(ENDORSEMENT_KINDS['EC-P256'].template).toString('hex');
    expect(ecc).toBe(`0023000b000300b20020${policy}000600800043001000030010${`0020${'00'.repeat(32)}`.repeat(2)}`);
  });

  it('hold the policy that PolicySecret(endorsement) hashes to', () => {
    expect(secretPolicy(NO_POLICY, u32(0x4000000b))).toEqual(ENDORSEMENT_KINDS['EC-P256'].template.policy);
  });
});

describe('PCR selections', () => {
  it('are bits, lowest first, in three octets', () => {
    const octets = encodeSelection([{ hash: TPM_ALG.sha256, pcrs: [0, 7, 8, 23] }]);
    expect(octets.toString('hex')).toBe('00000001000b03810180');
    expect(readSelection(new TpmReader(octets, 'selection'))).toEqual([{ hash: TPM_ALG.sha256, pcrs: [0, 7, 8, 23] }]);
  });

  it.each([-1, 24, 1.5])('refuse PCR %s', (pcr) => {
    expect(() => encodeSelection([{ hash: TPM_ALG.sha256, pcrs: [pcr] }])).toThrow(/from 0 to 23/);
  });

  it('have no digest when a value is missing', () => {
    expect(() => pcrDigest(TPM_ALG.sha256, [1], new Map())).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    );
  });
});

describe('KDFa', () => {
  it('gives as many octets as asked for, other ones for each label', () => {
    const secret = Buffer.alloc(32, 1);
    const derived = kdfA(secret, { hash: TPM_ALG.sha256, label: 'A', bits: 384 });
    expect(derived).toHaveLength(48);
    expect(derived).not.toEqual(kdfA(secret, { hash: TPM_ALG.sha256, label: 'B', bits: 384 }));
    expect(() => kdfA(secret, { hash: TPM_ALG.sm3, label: 'A', bits: 128 })).toThrow(
      expect.objectContaining({ code: 'MechanismMissing' }),
    );
  });
});
