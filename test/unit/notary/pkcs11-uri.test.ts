// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { pkcs11Place } from '../../../src/notary/root-of-trust/pkcs11/place.ts';
import { parsePkcs11Uri } from '../../../src/notary/root-of-trust/pkcs11/uri-parser.ts';
import { keyUri } from '../../../src/notary/root-of-trust/pkcs11/uri.ts';

describe('a pkcs11: URI', () => {
  it.each([
    ['pkcs11:', {}],
    ['pkcs11:token=My%20token', { token: 'My token' }],
    // RFC 7512, 3.
    [
      'pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin'.replace(
        ';serial=',
        '',
      ),
      {
        token: 'The Software PKCS#11 Softtoken',
        manufacturer: 'Snake Oil, Inc.',
        model: '1.0',
        object: 'my-certificate',
        type: 'cert',
        id: Buffer.from('69953e5cf4bdec91', 'hex'),
        pinFile: '/etc/token_pin',
      },
    ],
    ['pkcs11:slot-id=7?module-path=/usr/lib/p11.so', { slotId: 7, modulePath: '/usr/lib/p11.so' }],
    ['pkcs11:token=a?pin-source=/etc/pin', { token: 'a', pinFile: '/etc/pin' }],
    ['pkcs11:token=a?pin-source=file:///etc/pin', { token: 'a', pinFile: '/etc/pin' }],
    ['pkcs11:token=a?pin-source=file://localhost/etc/pin', { token: 'a', pinFile: '/etc/pin' }],
    ["pkcs11:token=a-._~:[]@!$'()*+,=&", { token: "a-._~:[]@!$'()*+,=&" }],
    ['pkcs11:token=%C3%BC', { token: 'ü' }],
  ])('%s names %j', (uri, expected) => expect(parsePkcs11Uri(uri)).toEqual(expected));

  it('of a key, as we write it, is read back', () => {
    const names = {
      token: 'ä;/?%',
      manufacturer: 'm',
      model: 'o',
      serial: '1',
      object: 'k:1',
      id: Buffer.of(0, 37, 255),
    };
    expect(parsePkcs11Uri(keyUri({ ...names, type: 'private' }))).toEqual({ ...names, type: 'private' });
  });

  it.each([
    ['another scheme', 'file:/a', 'expected pkcs11: at its start'],
    ['no value', 'pkcs11:token', 'name=value'],
    ['no name', 'pkcs11:=a', 'name=value'],
    ['an empty attribute', 'pkcs11:token=a;', 'name=value'],
    ['an empty value', 'pkcs11:token=', 'a text in UTF-8 as token'],
    ['an attribute twice', 'pkcs11:token=a;token=b', 'each attribute once, found token again'],
    ['an unknown attribute', 'pkcs11:tokn=a', 'found tokn'],
    ['a library by its name', 'pkcs11:token=a?module-name=p11', 'found module-name'],
    ['a stray per cent', 'pkcs11:token=100%', 'percent-encoded'],
    ['a blank', 'pkcs11:token=a b', 'percent-encoded'],
    ['octets that are no text', 'pkcs11:token=%ff', 'a text in UTF-8 as token'],
    ['a NUL', 'pkcs11:token=a%00', 'a text in UTF-8 as token'],
    ['a slot beyond 32 bits', 'pkcs11:slot-id=4294967296', 'at most 32 bits'],
    ['a slot that is none', 'pkcs11:slot-id=0x1', 'at most 32 bits'],
    ['a command for the PIN', 'pkcs11:token=a?pin-source=|/bin/pin', 'an absolute path'],
    ['a PIN file that climbs', 'pkcs11:token=a?pin-source=file:/etc/../pin', "without '..'"],
    ['too long', `pkcs11:token=${'a'.repeat(2048)}`, 'at most 2048 characters'],
  ])('with %s is refused', (_, uri, expected) => {
    expect(() => parsePkcs11Uri(uri)).toThrow(expect.objectContaining({ code: 'InvalidConfiguration' }));
    expect(() => parsePkcs11Uri(uri)).toThrow(expected);
  });

  it('with a PIN is refused, and the PIN is not shown', () => {
    const uri = 'pkcs11:token=a?pin-value=sesame';
    expect(() => parsePkcs11Uri(uri)).toThrow('put the PIN into a file');
    expect(() => parsePkcs11Uri(uri)).not.toThrow('sesame');
  });
});

describe('the place of a token', () => {
  it('is what the fields say, with the PIN where the chart puts it', () => {
    const expected = { library: '/l', choice: { tokenLabel: 'a' }, pinFile: '/etc/keystead/pin/pin' };
    expect(pkcs11Place({ library: '/l', tokenLabel: 'a' })).toEqual(expected);
  });

  it('is what the URI says, all of it', () => {
    const uri = 'pkcs11:token=a;serial=1;model=m;manufacturer=v;slot-id=3?module-path=/l&pin-source=/p';
    const choice = { tokenLabel: 'a', tokenSerial: '1', model: 'm', manufacturer: 'v', slot: 3 };
    expect(pkcs11Place({ uri })).toEqual({ library: '/l', pinFile: '/p', choice });
  });

  it.each([
    ['without library', {}, 'library, or module-path in the uri, and not both, found neither'],
    ['with two libraries', { library: '/l', uri: 'pkcs11:token=a?module-path=/l' }, 'found both'],
    ['with two PIN files', { library: '/l', uri: 'pkcs11:token=a?pin-source=/p', pinFile: '/p' }, 'found both'],
    ['of a key', { library: '/l', uri: 'pkcs11:token=a;object=k' }, 'names an object'],
  ])('%s is refused', (_, choice, expected) => expect(() => pkcs11Place(choice)).toThrow(expected));
});
