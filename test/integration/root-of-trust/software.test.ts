// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SoftwareRoot } from '../../../src/notary/root-of-trust/software/root.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { temporaryFolder } from '../../unit/notary/fixtures.ts';

const open = (path: string, passphrase = 'correct horse'): SoftwareRoot =>
  new SoftwareRoot({ folder: new StateFolder(path), passphrase: Buffer.from(passphrase) });
const failsWith = (code: string): unknown => expect.objectContaining({ code });
const keyFile = (path: string): string =>
  join(
    path,
    readdirSync(path).find((name) => name.startsWith('keypair-'))!,
  );

describe('software keys', () => {
  it('are said to be software, and claim nothing', () => {
    const root = open(temporaryFolder());
    expect(root.token).toMatchObject({ kind: 'Software', label: 'software', manufacturer: 'Keystead' });
    const key = root.generate('a', 'EC-P256');
    expect(key.attributes).toMatchObject({ sensitive: false, extractable: true, neverExtractable: false });
    expect(key.uri).toBe('software:object=a;type=keypair');
  });

  it('open with their passphrase alone', () => {
    const path = temporaryFolder();
    const { token } = open(path);
    expect(() => open(path, 'wrong')).toThrow(failsWith('PinRejected'));
    expect(open(path).token).toEqual(token);
  });

  it('lie encrypted on disk', () => {
    const path = temporaryFolder();
    const root = open(path);
    const value = Buffer.from('a symmetric key of 30 octets..');
    root.importSecret('hub', value);
    root.generate('a', 'EC-P256');
    const written = readdirSync(path).map((name) => readFileSync(join(path, name), 'latin1'));
    expect(written).toHaveLength(3);
    for (const text of written) {
      expect(text).not.toContain(value.toString('base64'));
      // The start of a P-256 key's PKCS#8.
      expect(text).not.toContain('MIGHAgEAMBMGByqGSM49');
    }
    expect(value.toString()).toBe('a symmetric key of 30 octets..');
  });

  it('that were altered, exchanged for one another, or lost their vault are refused', () => {
    const path = temporaryFolder();
    open(path).generate('a', 'EC-P256');
    const file = keyFile(path);
    const good = readFileSync(file, 'utf8');
    const changed = JSON.parse(good) as Record<string, unknown>;
    const sealed = Buffer.from(String(changed['sealed']), 'base64');
    sealed[20]! ^= 1;
    for (const change of [
      { sealed: sealed.toString('base64') },
      { algorithm: 'EC-P384' },
      { format: 2 },
      { kind: 1 },
    ]) {
      writeFileSync(file, JSON.stringify({ ...changed, ...change }));
      expect(() => open(path).find('a')).toThrow(failsWith('KeyUnfit'));
    }
    writeFileSync(file, '{');
    expect(() => open(path).find('a')).toThrow(failsWith('KeyUnfit'));
    writeFileSync(file, good);
    expect(open(path).find('a')).toBeDefined();
    open(path).generate('b', 'EC-P256');
    const [first = '', second = ''] = readdirSync(path).filter((name) => name.startsWith('keypair-'));
    renameSync(join(path, first), join(path, second));
    expect(() => [open(path).find('a'), open(path).find('b')]).toThrow(failsWith('KeyUnfit'));
    rmSync(join(path, 'vault.json'));
    expect(() => open(path)).toThrow(failsWith('KeyUnfit'));
  });

  it('cannot be used for sealing once the root is closed', () => {
    const path = temporaryFolder();
    const root = open(path);
    root.generate('a', 'EC-P256');
    root.close();
    expect(() => root.find('a')).toThrow(failsWith('Internal'));
    expect(() => root.generate('b', 'EC-P256')).toThrow(failsWith('Internal'));
    expect(open(path).find('a')).toBeDefined();
  });
});
