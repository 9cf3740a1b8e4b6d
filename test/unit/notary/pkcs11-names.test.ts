// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { chooseToken } from '../../../src/notary/root-of-trust/pkcs11/token-choice.ts';
import { keyUri } from '../../../src/notary/root-of-trust/pkcs11/uri.ts';
import { isLost, tokenError } from '../../../src/notary/root-of-trust/pkcs11/return-values.ts';

const vendor = { manufacturer: 'm', model: 'o' };
const [a, b, twin] = [
  { label: 'edge', serial: '01', slotNumber: 1, ...vendor },
  { label: 'other', serial: '02', slotNumber: 2, ...vendor },
  { label: 'edge', serial: '03', slotNumber: 3, manufacturer: 'm', model: 'p' },
];

describe('the choice of a token', () => {
  it.each([
    ['by label', [a, b], { tokenLabel: 'other' }, b],
    ['by serial', [a, b, twin], { tokenSerial: '03' }, twin],
    ['by slot', [a, b], { slot: 1 }, a],
    ['by label and serial', [a, b, twin], { tokenLabel: 'edge', tokenSerial: '01' }, a],
    ['by label and model', [a, b, twin], { tokenLabel: 'edge', model: 'p' }, twin],
    ['the only one', [b], {}, b],
  ])('%s', (_, tokens, choice, expected) => expect(chooseToken(tokens, choice)).toBe(expected));

  it.each([
    ['nothing there', [], { tokenLabel: 'edge' }, 'TokenAbsent', 'found no token at all'],
    ['another label', [b], { tokenLabel: 'edge' }, 'TokenAbsent', 'found "other" (serial 02, slot 2)'],
    [
      'label and serial of two tokens',
      [a, b],
      { tokenLabel: 'edge', tokenSerial: '02' },
      'TokenAbsent',
      'and serial 02',
    ],
    ['another manufacturer', [a], { slot: 1, manufacturer: 'n' }, 'TokenAbsent', 'slot 1 and manufacturer "n"'],
    ['a label in other letters', [a], { tokenLabel: 'Edge' }, 'TokenAbsent', 'label "Edge"'],
    ['two of one label', [a, b, twin], { tokenLabel: 'edge' }, 'InvalidConfiguration', '(serial 03, slot 3)'],
    ['two and no wish', [a, b], {}, 'InvalidConfiguration', 'by its serial'],
  ])('%s is an error that lists what is there', (...[, tokens, choice, code, expected]) => {
    expect(() => chooseToken(tokens, choice)).toThrow(expect.objectContaining({ code }));
    expect(() => chooseToken(tokens, choice)).toThrow(expected);
  });
});

describe("a key's URI", () => {
  const names = { token: 'edge', manufacturer: 'm', model: 'o', serial: '1', object: 'k', type: 'private' as const };

  it.each([
    ['My token', 'token=My%20token;'],
    ['a;b', 'token=a%3Bb;'],
    ['a%b', 'token=a%25b;'],
    ['a/b?c#d', 'token=a%2Fb%3Fc%23d;'],
    ['ü', 'token=%C3%BC;'],
    ["a-._~:[]@!$'()*+,=&", "token=a-._~:[]@!$'()*+,=&;"],
    ['a"<>\\^`{|}\n', 'token=a%22%3C%3E%5C%5E%60%7B%7C%7D%0A;'],
  ])('of token %j is encoded as RFC 7512 says', (token, expected) => {
    expect(keyUri({ ...names, token, id: Buffer.of(1) })).toContain(expected);
  });

  it('names all there is to find the key again, and no PIN', () => {
    expect(keyUri({ ...names, id: Buffer.from('0041ff', 'hex') })).toBe(
      'pkcs11:token=edge;manufacturer=m;model=o;serial=1;object=k;id=%00%41%FF;type=private',
    );
  });
});

describe('a PKCS#11 return value', () => {
  const thrown = (name: string, code: number): Error =>
    Object.assign(new Error(name), { name: 'Pkcs11Error', code, method: 'C_Sign' });

  it.each([
    ['CKR_PIN_INCORRECT', 'PinRejected', false],
    ['CKR_PIN_LOCKED', 'PinLocked', false],
    ['CKR_DEVICE_MEMORY', 'TokenFull', false],
    ['CKR_TOKEN_NOT_PRESENT', 'TokenAbsent', true],
    ['CKR_DEVICE_REMOVED', 'TokenAbsent', true],
    ['CKR_SESSION_HANDLE_INVALID', 'TokenFailed', true],
    ['CKR_USER_NOT_LOGGED_IN', 'TokenFailed', true],
    ['CKR_MECHANISM_INVALID', 'MechanismMissing', false],
    ['CKR_KEY_FUNCTION_NOT_PERMITTED', 'KeyUnfit', false],
    ['CKR_VENDOR_DEFINED', 'TokenFailed', false],
  ])('%s becomes %s that names function and value', (name, code, lost) => {
    const error = tokenError(thrown(name, 0x30));
    expect(error).toMatchObject({ code, message: expect.stringContaining(`C_Sign returned ${name} (0x30)`) });
    expect(isLost(error)).toBe(lost);
  });

  it('is found in the raw form that C_FindObjects throws', () => {
    expect(tokenError(new Error('CKR_DEVICE_REMOVED:50'))).toMatchObject({ code: 'TokenAbsent' });
  });

  it('is not made up where something else was thrown', () => {
    expect(tokenError(new TypeError('x is not a function'))).toMatchObject({ code: 'TokenFailed' });
    expect(isLost(new TypeError('x'))).toBe(false);
  });
});
