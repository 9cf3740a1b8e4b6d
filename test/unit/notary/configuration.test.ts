// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { decodeConfiguration } from '../../../src/notary/configuration.ts';
import { CONFIGURATION, PKCS11 as pkcs11 } from './fixtures.ts';

const tpm = { device: '/dev/tpmrm0', storageHandle: 0x81000001 };
const { issuer } = CONFIGURATION;

describe('a configuration', () => {
  it('is taken over with its known fields only', () => {
    const sent = { ...CONFIGURATION, extra: 1, rootOfTrust: { pkcs11: { ...pkcs11, pin: '1234' } } };
    expect(decodeConfiguration(sent)).toEqual(CONFIGURATION);
  });

  it.each([
    { tpm },
    { tpm, modules: { pkcs11: { uri: 'pkcs11:token=a?module-path=/l' } } },
    { software: { passphraseFile: '/etc/passphrase' } },
    { tpm: { socket: '/run/tpm', storageHandle: 0x81000002, ownerAuthFile: '/o', keyAuthFile: '/k' } },
  ])('with the root of trust %j is taken over', (rootOfTrust) => {
    expect(decodeConfiguration({ ...CONFIGURATION, rootOfTrust })).toEqual({ ...CONFIGURATION, rootOfTrust });
  });

  it.each([
    { issuer: { ...issuer, rotateBefore: 1e12 }, masterSecretVersion: 3 },
    { issuer: { maxLeafSeconds: 3600, preloaded: { keyUri: 'pkcs11:id=%01', certificatesFile: '/c' } } },
    { issuer: { maxLeafSeconds: 3600, preloaded: { keyUri: 'pkcs11:id=%01', certificates: 'PEM' } } },
  ])('with %j is taken over', (change) => {
    expect(decodeConfiguration({ ...CONFIGURATION, ...change })).toEqual({ ...CONFIGURATION, ...change });
  });

  it.each([
    [
      'an issuer without certificates',
      { issuer: { maxLeafSeconds: 60, preloaded: { keyUri: 'a' } } },
      'exactly one of',
    ],
    ['a master secret of version 0', { masterSecretVersion: 0 }, 'masterSecretVersion'],
    ['nothing', undefined, 'configuration'],
    ['a list', [], 'configuration'],
    ['no trust domain', { trustDomain: undefined }, 'trustDomain'],
    ['a trust domain in capitals', { trustDomain: 'Edge.Example' }, 'trustDomain'],
    ['an empty node', { node: '' }, 'node'],
    ['a node with a slash', { node: 'a/b' }, 'node'],
    ['no root of trust', { rootOfTrust: {} }, 'exactly one of pkcs11, tpm, software, found none'],
    ['two roots of trust', { rootOfTrust: { pkcs11, tpm } }, 'found pkcs11 and tpm'],
    ['no passphrase', { rootOfTrust: { software: {} } }, 'software.passphraseFile'],
    ['a TPM in two places', { rootOfTrust: { tpm: { ...tpm, socket: '/s' } } }, 'exactly one of device, socket'],
    ["the platform's handle", { rootOfTrust: { tpm: { ...tpm, storageHandle: 0x81800000 } } }, 'tpm.storageHandle'],
    ['a relative library', { rootOfTrust: { pkcs11: { ...pkcs11, library: 'token.so' } } }, 'pkcs11.library'],
    ['a library with NUL', { rootOfTrust: { pkcs11: { ...pkcs11, library: '/a\0' } } }, 'pkcs11.library'],
    ['a relative PIN file', { rootOfTrust: { pkcs11: { ...pkcs11, pinFile: 'pin' } } }, 'pkcs11.pinFile'],
    ['a URI with a PIN', { rootOfTrust: { pkcs11: { ...pkcs11, uri: 'pkcs11:token=a?pin-value=1' } } }, 'pin-value'],
    ['no root of trust for modules', { rootOfTrust: { pkcs11, modules: {} } }, 'exactly one of'],
    ['a negative slot', { rootOfTrust: { pkcs11: { ...pkcs11, slot: -1 } } }, 'pkcs11.slot'],
    ['a slot as text', { rootOfTrust: { pkcs11: { ...pkcs11, slot: '1' } } }, 'pkcs11.slot'],
    ['an unknown algorithm', { issuer: { ...issuer, algorithm: 'EC-P521' } }, 'issuer.algorithm'],
    ['a lifetime in fractions', { issuer: { ...issuer, lifetimeSeconds: 86_400.5 } }, 'issuer.lifetimeSeconds'],
    ['a lifetime beyond ten years', { issuer: { ...issuer, lifetimeSeconds: 1e9 } }, 'issuer.lifetimeSeconds'],
    ['leaves of seconds', { issuer: { ...issuer, maxLeafSeconds: 10 } }, 'issuer.maxLeafSeconds'],
    ['leaves that leave no room', { issuer: { ...issuer, maxLeafSeconds: 43_201 } }, 'at least twice'],
  ])('with %s is refused, naming the field', (_, change, expected) => {
    const sent = change === undefined || Array.isArray(change) ? change : { ...CONFIGURATION, ...change };
    const attempt = (): unknown => decodeConfiguration(sent);
    expect(attempt).toThrow(expect.objectContaining({ code: 'InvalidConfiguration' }));
    expect(attempt).toThrow(expected);
  });
});
