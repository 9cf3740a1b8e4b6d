// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, sign, verify, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { buildCertificationRequest } from '../../../src/issue/certification-request-writer.ts';
import type { ModuleKeyName } from '../../../src/notary/key-port.ts';
import type { NotaryService } from '../../../src/notary/service.ts';
import { CONFIGURATION, REQUEST, serviceOver, temporaryFolder, type ServiceParts } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const { publicKey: _theirs, ...NAMES } = REQUEST;
const KEY = { identityUid: '0b3c7e9e-6a55-4b1c-9f1d-2f0f6c9d1a11', generation: 1 };
const LABEL = `keystead-module:edge.example:node-1:${KEY.identityUid}:1`;
const MESSAGE = Buffer.from('what the module wants signed');
const { requester } = REQUEST;

const services: NotaryService[] = [];
afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

function start(parts: Partial<ServiceParts> = {}) {
  const token = parts.token ?? new MemoryToken();
  const started = serviceOver({ ...parts, token });
  services.push(started.service);
  started.service.configure(CONFIGURATION);
  return { ...started, token };
}

/** A request for a certificate by a module with a key of its own. */
function asked(names: { spiffeId?: string; dnsNames?: string[] } = {}) {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const build = (): Buffer =>
    buildCertificationRequest({ publicKey, ...names, sign: (message) => sign('sha256', message, pair.privateKey) });
  return { publicKey, certificationRequest: build() };
}

/** As the client does it. */
function issueForKey(service: NotaryService, key: ModuleKeyName, names = NAMES) {
  const obtained = service.obtainKey({ key, requester: names.requester });
  return { ...service.issue({ ...names, publicKey: obtained.publicKey }), ...obtained };
}

describe("a module's key on the token", () => {
  it('is made at its first certificate, taken again for the next, and another for another generation', () => {
    const { service, token } = start();
    const first = issueForKey(service, KEY);
    expect([...token.keys.keys()]).toContain(LABEL);
    expect(new X509Certificate(first.chain[0]!).publicKey.export({ type: 'spki', format: 'der' })).toEqual(
      token.keys.get(LABEL)!.publicKey,
    );
    expect(issueForKey(service, KEY).publicKey).toEqual(first.publicKey);
    const next = issueForKey(service, { ...KEY, generation: 2 });
    expect(next.publicKey).not.toEqual(first.publicKey);
    expect(service.moduleKeys()).toEqual([KEY, { ...KEY, generation: 2 }]);
  });

  it('is not made where keys are software, which is said with what to do; certificates for keys in memory go on', () => {
    const token = new MemoryToken();
    token.kind = 'Software';
    const { service, audit } = start({ token });
    const refused = expect.objectContaining({
      code: 'MechanismMissing',
      message: expect.stringMatching(
        /^key.residency Hardware: expected a token or a TPM, found .* SOFTWARE; .*rootOfTrust/,
      ),
    });
    expect(() => issueForKey(service, KEY)).toThrow(refused);
    expect(token.keys.has(LABEL)).toBe(false);
    expect(audit.entries.at(-1)).toMatchObject({ operation: 'obtainKey', result: 'MechanismMissing' });
    expect(service.issue(REQUEST).chain).toHaveLength(1);
  });

  it('signs what the module brings, and each use is recorded with the key', () => {
    const { service, audit } = start();
    const { publicKey, keyUri } = issueForKey(service, KEY);
    const { signature } = service.signWithKey({ key: KEY, message: MESSAGE, requester });
    expect(verify('sha256', MESSAGE, createPublicKey({ key: publicKey, format: 'der', type: 'spki' }), signature)).toBe(
      true,
    );
    expect(audit.entries.at(-1)).toMatchObject({ operation: 'signWithKey', requester, keyUri, result: 'Done' });
  });

  it('that was never made or is destroyed signs nothing', () => {
    const { service, token, audit } = start();
    const attempt = (): unknown => service.signWithKey({ key: KEY, message: MESSAGE, requester });
    expect(attempt).toThrow(expect.objectContaining({ code: 'NotFound' }));
    issueForKey(service, KEY);
    expect(attempt).not.toThrow();
    service.destroyKey(KEY);
    expect(attempt).toThrow(expect.objectContaining({ code: 'NotFound' }));
    expect(token.keys.has(LABEL)).toBe(false);
    expect(audit.entries).toContainEqual(expect.objectContaining({ operation: 'destroyKey', result: 'Done' }));
    expect(() => service.destroyKey(KEY)).not.toThrow();
  });

  it('refuses a digest of another length', () => {
    const { service } = start();
    issueForKey(service, KEY);
    expect(() => service.signWithKey({ key: KEY, digest: Buffer.alloc(20), requester })).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    );
  });

  it('is certified for one SPIFFE ID alone', () => {
    const { service } = start();
    issueForKey(service, KEY);
    const other = { ...NAMES, spiffeId: `${NAMES.spiffeId}-other` };
    expect(() => issueForKey(service, KEY, other)).toThrow(
      expect.objectContaining({ code: 'ProfileViolation', message: expect.stringContaining('another module') }),
    );
  });

  it('that could leave the token is refused, and the token goes on serving others', () => {
    const { service, token } = start();
    const root = token.open();
    root.generate(LABEL, 'EC-P256');
    const find = token.keys.get.bind(token.keys);
    token.keys.get = (label) => {
      if (label === LABEL) throw new KeysteadError('KeyUnfit', 'CKA_EXTRACTABLE is true');
      return find(label);
    };
    expect(() => issueForKey(service, KEY)).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    expect(service.status().ready).toBe(true);
    expect(service.issue(REQUEST).chain).toHaveLength(1);
  });

  it("is never the CA's: no name reaches another label", () => {
    const { service } = start();
    expect(service.moduleKeys()).toEqual([]);
    for (const identityUid of ['', '../1', 'a:1', 'x'.repeat(65)]) {
      expect(() => service.signWithKey({ key: { identityUid, generation: 1 }, message: MESSAGE, requester })).toThrow();
    }
  });
});

describe("a certificate for the module's own key", () => {
  const granted = { ...NAMES, dnsNames: ['press.factory', 'press.factory.svc'] };

  it('has all names that are granted where none is asked for, and those asked for otherwise', () => {
    const { service } = start();
    const all = service.issueFromRequest({ ...granted, ...asked() });
    expect(new X509Certificate(all.chain[0]!).subjectAltName).toBe(
      `URI:${NAMES.spiffeId}, DNS:press.factory, DNS:press.factory.svc`,
    );
    const names = { spiffeId: NAMES.spiffeId, dnsNames: ['press.factory'] };
    const one = service.issueFromRequest({ ...granted, ...asked(names) });
    expect(new X509Certificate(one.chain[0]!).subjectAltName).toBe(`URI:${NAMES.spiffeId}, DNS:press.factory`);
  });

  it.each([
    ["another module's SPIFFE ID", { spiffeId: `${NAMES.spiffeId}-other` }],
    ['a DNS name that was not granted', { spiffeId: NAMES.spiffeId, dnsNames: ['bank.example'] }],
  ])('is refused for %s', (_, names) => {
    const { service, audit } = start();
    expect(() => service.issueFromRequest({ ...granted, ...asked(names) })).toThrow(
      expect.objectContaining({ code: 'ProfileViolation' }),
    );
    expect(audit.entries.at(-1)).toMatchObject({ operation: 'issueFromRequest', result: 'ProfileViolation' });
  });

  it("is refused for a key that is another module's, after a restart too", () => {
    const parts = { token: new MemoryToken(), folder: temporaryFolder() };
    const { service } = start(parts);
    const { certificationRequest } = asked();
    service.issueFromRequest({ ...granted, certificationRequest });
    service.commit();
    const other = { ...granted, spiffeId: `${NAMES.spiffeId}-other`, certificationRequest };
    for (const each of [service, start(parts).service]) {
      expect(() => each.issueFromRequest(other)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
      expect(() => each.issueFromRequest({ ...granted, certificationRequest })).not.toThrow();
    }
  });
});
