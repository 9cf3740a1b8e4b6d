// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { checkDnsName } from '../../../src/issue/dns-name.ts';
import { parseSpiffeId } from '../../../src/issue/spiffe-id.ts';

describe('a SPIFFE ID', () => {
  it.each([
    ['spiffe://edge.example/ns/a/module/b', { trustDomain: 'edge.example', path: '/ns/a/module/b' }],
    ['spiffe://edge.example', { trustDomain: 'edge.example', path: '' }],
    ['spiffe://a_b-c.d1/A.Z_z-9', { trustDomain: 'a_b-c.d1', path: '/A.Z_z-9' }],
    [`spiffe://${'a'.repeat(255)}/x`, { trustDomain: 'a'.repeat(255), path: '/x' }],
    [`spiffe://a/${'x'.repeat(2037)}`, { trustDomain: 'a', path: `/${'x'.repeat(2037)}` }],
    ['spiffe://a/...', { trustDomain: 'a', path: '/...' }],
  ])('%.60s is taken apart', (text, expected) => expect(parseSpiffeId(text)).toEqual(expected));

  it.each([
    ['', 'starts with'],
    ['http://edge.example/ns/a', 'starts with'],
    ['SPIFFE://edge.example/ns/a', 'starts with'],
    ['spiffe://', 'a trust domain of'],
    ['spiffe:///ns/a', 'a trust domain of'],
    ['spiffe://Edge.example/ns/a', 'a trust domain of'],
    ['spiffe://user@edge.example/ns', 'a trust domain of'],
    ['spiffe://edge.example:8443/ns', 'a trust domain of'],
    ['spiffe://edge.exämple/ns', 'a trust domain of'],
    [`spiffe://${'a'.repeat(256)}/x`, '255 bytes'],
    [`spiffe://a/${'x'.repeat(2038)}`, '2048 bytes'],
    ['spiffe://edge.example/', 'empty segments'],
    ['spiffe://edge.example/ns//a', 'empty segments'],
    ['spiffe://edge.example/ns/a/', 'empty segments'],
    ['spiffe://edge.example/ns/./a', '. or ..'],
    ['spiffe://edge.example/ns/../a', '. or ..'],
    ['spiffe://edge.example/ns/%61', 'path segments'],
    ['spiffe://edge.example/ns/a?x=1', 'path segments'],
    ['spiffe://edge.example/ns/a#x', 'path segments'],
    ['spiffe://edge.example/ns/a b', 'path segments'],
    ['spiffe://edge.example/ns/a\n', 'path segments'],
    ['spiffe://edge.example\n', 'a trust domain of'],
    ['spiffe://edge.example/ns/\u0000', 'path segments'],
  ])('%j is refused, saying what was expected', (text, expected) => {
    expect(() => parseSpiffeId(text)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
    expect(() => parseSpiffeId(text)).toThrow(expected);
  });
});

describe('a DNS name', () => {
  it.each(['press', 'press.factory.svc', 'a-b.c1', '1.example', `${'a'.repeat(63)}.b`, '3com.com'])(
    '%s is taken',
    (name) => expect(() => checkDnsName(name)).not.toThrow(),
  );

  it.each([
    '',
    '*.example.com',
    'a.*.b',
    '*',
    '.a',
    'a.',
    'a..b',
    '-a.b',
    'a-.b',
    'a_b.c',
    'A.b',
    'bücher.example',
    'a b',
    'a\n',
    'a\0.b',
    '10.0.0.1',
    '1234',
    `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(127)}a`,
    'a/b',
    '[::1]',
  ])('%j is refused', (name) => {
    expect(() => checkDnsName(name)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
  });
});
