// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import type { NotaryService } from '../../../src/notary/service.ts';
import { CONFIGURATION, eventually, PKCS11, REQUEST, serviceOver } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const services: NotaryService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

function start(...args: Parameters<typeof serviceOver>): ReturnType<typeof serviceOver> {
  const started = serviceOver(...args);
  services.push(started.service);
  return started;
}

const otherToken: NotaryConfiguration = {
  ...CONFIGURATION,
  rootOfTrust: { pkcs11: { ...PKCS11, tokenLabel: 'other' } },
};

describe('the notary service', () => {
  it('waits for its configuration, then issues', () => {
    const { service } = start({ token: new MemoryToken() });
    expect(service.status()).toMatchObject({ ready: false, reason: 'Unavailable' });
    expect(() => service.issue(REQUEST)).toThrow(expect.objectContaining({ code: 'Unavailable' }));
    service.configure(CONFIGURATION);
    expect(service.status()).toMatchObject({ ready: true, issuer: { algorithm: 'EC-P256' } });
    expect(service.issue(REQUEST).chain).toHaveLength(1);
  });

  it('moves to another token, opening it before it lets go of the first', () => {
    const [token, other] = [new MemoryToken('0001'), new MemoryToken('0002')];
    const { service } = start({ token, tokens: { other } });
    service.configure(CONFIGURATION);
    service.configure(otherToken);
    const status = service.status();
    expect(status.token?.serial).toBe('0002');
    expect(status.issuer?.anchors.match(/BEGIN/g)).toHaveLength(2);
    expect([token.closed, other.closed]).toEqual([1, 0]);
  });

  it('stays on its token where the other cannot be opened', () => {
    const [token, other] = [new MemoryToken('0001'), new MemoryToken('0002')];
    other.failure = new KeysteadError('TokenAbsent', 'no token with label "other"');
    const { service } = start({ token, tokens: { other } });
    service.configure(CONFIGURATION);
    expect(() => service.configure(otherToken)).toThrow('no token with label "other"');
    expect(service.status()).toMatchObject({ ready: true, token: { serial: '0001' } });
    expect(service.issue(REQUEST).chain).toHaveLength(1);
  });

  it('says why it is not ready, goes on trying, and becomes ready by itself', async () => {
    const token = new MemoryToken();
    token.failure = new KeysteadError('TokenAbsent', 'no token with label "edge"; found no token at all');
    const { service } = start({ token });
    service.configure(CONFIGURATION);
    expect(service.status()).toMatchObject({ ready: false, reason: 'TokenAbsent', message: token.failure.message });
    expect(() => service.issue(REQUEST)).toThrow(token.failure.message);
    token.failure = undefined;
    await eventually(() => service.status().ready, 'ready after the token came');
  });

  it('opens the token anew after it failed in the middle of issuing', async () => {
    const token = new MemoryToken();
    const { service } = start({ token });
    service.configure(CONFIGURATION);
    token.failure = new KeysteadError('TokenFailed', 'C_Sign returned CKR_DEVICE_ERROR');
    expect(() => service.issue(REQUEST)).toThrow('CKR_DEVICE_ERROR');
    expect(service.status()).toMatchObject({ ready: false, reason: 'TokenFailed' });
    token.failure = undefined;
    await eventually(() => service.status().ready, 'ready after the token recovered');
    expect(service.issue(REQUEST).chain).toHaveLength(1);
    expect(token.closed).toBe(1);
  });

  it('records what was issued and to whom, and what was refused and why', () => {
    const { service, audit } = start({ token: new MemoryToken() });
    service.configure(CONFIGURATION);
    const { serial, notBefore, notAfter } = service.issue(REQUEST);
    const keyUri = service.status().issuer!.keyUri;
    expect(() => service.issue({ ...REQUEST, spiffeId: 'spiffe://other.example/ns/a' })).toThrow('trust domain');
    const { requester } = REQUEST;
    expect(audit.entries).toEqual([
      {
        operation: 'issue',
        requester,
        spiffeId: REQUEST.spiffeId,
        result: 'Issued',
        keyUri,
        serial,
        notBefore,
        notAfter,
      },
      expect.objectContaining({
        requester,
        result: 'ProfileViolation',
        reason: expect.stringContaining('edge.example'),
      }),
    ]);
  });

  it('issues tokens beside certificates, records them without the token, and shows the keys', () => {
    const { service, audit } = start({ token: new MemoryToken() });
    service.configure(CONFIGURATION);
    const { tokens } = service.status();
    const { spiffeId, requester } = REQUEST;
    const request = { spiffeId, requester, audiences: ['till'], lifetimeSeconds: 300 };
    const issued = service.issueToken(request);
    expect(tokens!.keys.map(({ keyId }) => keyId)).toEqual([issued.keyId]);
    expect(() => service.issueToken({ ...request, lifetimeSeconds: 3601 })).toThrow('1 to 3600');
    expect(audit.entries).toMatchObject([
      { operation: 'issueToken', requester, spiffeId, audiences: ['till'], result: 'Issued', jti: issued.jti },
      { operation: 'issueToken', result: 'ProfileViolation', audiences: ['till'] },
    ]);
    expect(JSON.stringify(audit.entries)).not.toContain(issued.token);
  });

  it('refuses to certify its token signing key, and goes on with certificates where it has none', () => {
    const token = new MemoryToken();
    const { service } = start({ token });
    service.configure(CONFIGURATION);
    const own = [...token.keys.values()].find(({ label }) => label.startsWith('keystead-token:'))!;
    expect(() => service.issue({ ...REQUEST, publicKey: own.publicKey })).toThrow("one of the notary's own keys");
    expect(service.issue(REQUEST).chain).toHaveLength(1);
  });

  it('refuses to certify a key of its own CA', () => {
    const token = new MemoryToken();
    const { service } = start({ token });
    service.configure({ ...CONFIGURATION, issuer: { ...CONFIGURATION.issuer, algorithm: 'EC-P256' } });
    const [key] = token.keys.values();
    expect(() => service.issue({ ...REQUEST, publicKey: key!.publicKey })).toThrow("one of the notary's own keys");
  });
});
