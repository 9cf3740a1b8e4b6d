// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import type { PreloadedIssuer } from '../../../src/notary/issuer-settings.ts';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';
import { softhsmLibrary } from './softhsm.ts';

jest.setTimeout(120_000);

const EXTENSIONS = [
  '[root]',
  'basicConstraints=critical,CA:TRUE',
  'keyUsage=critical,keyCertSign,cRLSign',
  'subjectKeyIdentifier=hash',
  '[ca]',
  'basicConstraints=critical,CA:TRUE,pathlen:0',
  'keyUsage=critical,keyCertSign,cRLSign',
  'subjectKeyIdentifier=hash',
  'authorityKeyIdentifier=keyid',
  '[leaf]',
  'basicConstraints=critical,CA:FALSE',
  'subjectKeyIdentifier=hash',
  '',
];

/** A company's CA made with openssl: a root in files, and below it the device's CA whose key goes onto the token. */
class Company {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    writeFileSync(this.path('extensions'), EXTENSIONS.join('\n'));
    for (const name of ['root', 'device', 'other']) {
      this.#openssl(
        'genpkey',
        '-algorithm',
        'EC',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-out',
        this.path(`${name}.key`),
      );
    }
    this.#openssl(
      ...['req', '-new', '-x509', '-key', this.path('root.key'), '-subj', '/CN=Company Root', '-days', '9'],
      ...['-config', '/dev/null', '-extensions', 'root', '-out', this.path('root.pem')].flatMap((word) =>
        word === '/dev/null' ? [this.#requestConfiguration()] : [word],
      ),
    );
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** PEM of a certificate for the device's key, and the root's. */
  chain(section = 'ca', key = 'device'): string {
    const request = this.path('request.pem');
    this.#openssl(
      'req',
      '-new',
      '-key',
      this.path(`${key}.key`),
      '-subj',
      '/CN=Device CA',
      '-config',
      this.#requestConfiguration(),
      '-out',
      request,
    );
    const [ca, caKey, out] = [this.path('root.pem'), this.path('root.key'), this.path('ca.pem')];
    const extensions = ['-extfile', this.path('extensions'), '-extensions', section];
    this.#openssl('x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-days', '5', ...extensions, '-out', out);
    return readFileSync(out, 'utf8') + readFileSync(ca, 'utf8');
  }

  /** Whether openssl takes a chain, DER and leaf first, that ends below the root. */
  verifies([leaf, ...above]: readonly Buffer[]): boolean {
    const pem = (der: Buffer): string => new X509Certificate(der).toString();
    writeFileSync(this.path('leaf.pem'), pem(leaf!));
    writeFileSync(this.path('above.pem'), above.map(pem).join(''));
    const trusted = ['-CAfile', this.path('root.pem'), '-untrusted', this.path('above.pem')];
    return this.#openssl('verify', ...trusted, this.path('leaf.pem')).includes('OK');
  }

  #requestConfiguration(): string {
    const file = this.path('request.cnf');
    writeFileSync(file, ['[req]', 'distinguished_name=name', 'prompt=no', '[name]', 'CN=x', ...EXTENSIONS].join('\n'));
    return file;
  }

  #openssl(...args: readonly string[]): string {
    return execFileSync('openssl', args, { stdio: 'pipe', encoding: 'utf8' });
  }
}

/** A token with the device CA's key on it. */
function setting(): { on: Setting; company: Company } {
  const on = new Setting();
  on.hsm.makeToken(TOKEN);
  const company = new Company(on.folder);
  const args = [
    '--import',
    company.path('device.key'),
    '--token',
    TOKEN,
    '--label',
    'device-ca',
    '--id',
    '0a',
    '--pin',
    '1234',
  ];
  execFileSync('softhsm2-util', args, { env: { ...process.env, ...on.hsm.environment }, stdio: 'pipe' });
  on.notary.start();
  return { on, company };
}

function configured(on: Setting, preloaded: PreloadedIssuer['preloaded']): NotaryConfiguration {
  return { ...on.configuration(), issuer: { preloaded, maxLeafSeconds: 3600 } };
}

describe('an issuer that was made beforehand', () => {
  it('issues with the key of that URI; the chain served holds what is between leaf and root', async () => {
    const { on, company } = setting();
    const { client } = on.notary;
    const keyUri = `pkcs11:token=${encodeURIComponent(TOKEN)};object=device-ca;id=%0A;type=private`;
    const status = await client.configure(configured(on, { keyUri, certificates: company.chain() }));
    expect(status).toMatchObject({ ready: true, issuer: { algorithm: 'EC-P256', extractable: false } });
    expect(status.issuer!.keyUri).toContain('object=device-ca');
    expect(new X509Certificate(status.issuer!.anchors).subject).toBe('CN=Company Root');
    const { chain } = await client.issue(freshLeaf().request);
    expect(chain).toHaveLength(2);
    expect(company.verifies(chain)).toBe(true);
    const issuer = status.keys!.find(({ purpose }) => purpose === 'Issuer');
    expect(issuer).toMatchObject({ algorithm: 'EC-P256', extractable: false });
  });

  it('takes over a renewed certificate from its file, and keeps the old one while the new is bad', async () => {
    const { on, company } = setting();
    const { client } = on.notary;
    const certificatesFile = company.path('chain.pem');
    writeFileSync(certificatesFile, company.chain());
    const preloaded = { keyUri: 'pkcs11:id=%0A', certificatesFile };
    const before = await client.configure(configured(on, preloaded));
    expect(before).toMatchObject({ ready: true });
    writeFileSync(certificatesFile, company.chain('leaf'));
    const later = (chain: string): NotaryConfiguration =>
      configured(on, { keyUri: 'pkcs11:id=%0A', certificates: chain });
    await expect(client.configure(later(company.chain('leaf')))).rejects.toMatchObject({
      code: 'InvalidConfiguration',
    });
    expect((await client.status()).issuer).toEqual(before.issuer);
    const renewed = company.chain();
    const after = await client.configure(later(renewed));
    expect(after.issuer!.chain).not.toBe(before.issuer!.chain);
    expect(company.verifies((await client.issue(freshLeaf().request)).chain)).toBe(true);
  });

  it.each<[string, (company: Company) => PreloadedIssuer['preloaded'], string]>([
    ['no such key', (company) => ({ keyUri: 'pkcs11:object=nobody', certificates: company.chain() }), 'NotFound'],
    [
      'a certificate of another key',
      (company) => ({ keyUri: 'pkcs11:id=%0A', certificates: company.chain('ca', 'other') }),
      'KeyUnfit',
    ],
    [
      "a module's certificate",
      (company) => ({ keyUri: 'pkcs11:id=%0A', certificates: company.chain('leaf') }),
      'InvalidConfiguration',
    ],
    [
      'no root',
      (company) => ({
        keyUri: 'pkcs11:id=%0A',
        certificates: company.chain().split(/(?<=END CERTIFICATE-----\n)/)[0]!,
      }),
      'InvalidConfiguration',
    ],
    [
      "another token's key",
      (company) => ({ keyUri: 'pkcs11:token=x;id=%0A', certificates: company.chain() }),
      'InvalidConfiguration',
    ],
    ['no file', () => ({ keyUri: 'pkcs11:id=%0A', certificatesFile: '/nowhere/chain.pem' }), 'InvalidConfiguration'],
  ])('is refused with %s, and nothing is issued', async (_, preloaded, reason) => {
    const { on, company } = setting();
    const { client } = on.notary;
    expect(await client.configure(configured(on, preloaded(company)))).toMatchObject({ ready: false, reason });
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ code: reason });
  });
});

describe('two tokens', () => {
  it('hold the CA and the keys of modules apart', async () => {
    const on = new Setting();
    for (const label of [TOKEN, 'modules']) on.hsm.makeToken(label);
    on.notary.start();
    const { client } = on.notary;
    const uri = `pkcs11:token=modules?module-path=${softhsmLibrary()}&pin-source=file:${on.hsm.pinFile}`;
    const own = on.configuration();
    const status = await client.configure({
      ...own,
      rootOfTrust: { ...own.rootOfTrust, modules: { pkcs11: { uri } } },
    });
    expect(status).toMatchObject({ ready: true, token: { label: TOKEN }, moduleToken: { label: 'modules' } });
    const { publicKey: _made, ...request } = freshLeaf().request;
    const key = { identityUid: '0c1d', generation: 1 };
    const { keyUri } = await client.issueForKey({ ...request, key });
    expect(keyUri).toContain('token=modules');
    expect(on.hsm.pkcs11Tool('modules', '--list-objects')).toContain('keystead-module');
    expect(on.hsm.pkcs11Tool(TOKEN, '--list-objects')).not.toContain('keystead-module');
    expect(on.hsm.pkcs11Tool(TOKEN, '--list-objects')).toContain('keystead-issuer');
    await eventually(async () => (await client.status()).ready, 'ready');
  });
});
