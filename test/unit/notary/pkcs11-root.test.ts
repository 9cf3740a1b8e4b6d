// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CK, type Cryptoki } from '../../../src/notary/root-of-trust/pkcs11/cryptoki.ts';
import { KeyOwner } from '../../../src/notary/root-of-trust/pkcs11/key-owner.ts';
import { Pkcs11Library } from '../../../src/notary/root-of-trust/pkcs11/library.ts';
import { PinGuard } from '../../../src/notary/root-of-trust/pkcs11/pin-guard.ts';
import { Pkcs11Root } from '../../../src/notary/root-of-trust/pkcs11/root.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import { FakeCryptoki } from './fake-cryptoki.ts';
import { recordedLog, temporaryFolder } from './fixtures.ts';

class Setting {
  readonly cryptoki = new FakeCryptoki();
  readonly folder = temporaryFolder();
  readonly pinFile = join(this.folder, 'pin');
  readonly state = new StateFolder(join(this.folder, 'state'));
  /** Whose keys are found; another folder is another notary. */
  home = new StateFolder(join(this.folder, 'home'));

  constructor(pin = '1234\n') {
    writeFileSync(this.pinFile, pin);
  }

  /** Opens as a fresh process would. */
  open(): Pkcs11Root {
    return new Pkcs11Root({
      library: new Pkcs11Library('/lib/fake.so', this.cryptoki as unknown as Cryptoki),
      choice: { tokenLabel: 'edge' },
      pinFile: this.pinFile,
      pins: new PinGuard(this.state),
      owner: KeyOwner.of(this.home),
      log: recordedLog().log,
    });
  }
}

describe('the PIN', () => {
  it.each(['1234', '1234\n', '1234\r\n'])('is read from a file that holds %j', (content) => {
    const setting = new Setting(content);
    expect(setting.open().token).toMatchObject({ kind: 'PKCS11', label: 'edge', serial: '0001' });
    expect(readdirSync(setting.state.path)).toEqual([]);
  });

  it('keeps what stands before the line end, blanks and further line ends too', () => {
    const setting = new Setting(' 12\n\n');
    setting.cryptoki.pin = ' 12\n';
    expect(() => setting.open()).not.toThrow();
  });

  it('that is wrong is tried once, by this process and those after it', () => {
    const setting = new Setting('9999\n');
    expect(() => setting.open()).toThrow(expect.objectContaining({ code: 'PinRejected' }));
    for (let restarts = 0; restarts < 5; restarts++) expect(() => setting.open()).toThrow('not tried again');
    expect(setting.cryptoki.count('C_Login')).toBe(1);
  });

  it.each([
    ['says nothing', 0, 'no wrong PIN counted'],
    ['has counted it', CK.CKF_USER_PIN_COUNT_LOW, 'CKF_USER_PIN_COUNT_LOW, a wrong PIN was given since the last login'],
    [
      'has one try left',
      CK.CKF_USER_PIN_COUNT_LOW | CK.CKF_USER_PIN_FINAL_TRY,
      'CKF_USER_PIN_FINAL_TRY, the next wrong',
    ],
    ['has locked', CK.CKF_USER_PIN_LOCKED, 'CKF_USER_PIN_LOCKED, it has locked the PIN'],
  ])('that is wrong is told with the counter of a token that %s', (_, flags, expected) => {
    const setting = new Setting('9999');
    setting.cryptoki.afterWrongPin = flags;
    expect(() => setting.open()).toThrow(`the token's PIN counter: ${expected}`);
    expect(() => setting.open()).toThrow(/PIN/);
    expect(setting.cryptoki.count('C_Login')).toBe(1);
  });

  it('is tried again when the file has changed', () => {
    const setting = new Setting('9999');
    expect(() => setting.open()).toThrow('CKR_PIN_INCORRECT');
    writeFileSync(setting.pinFile, '1234');
    expect(() => setting.open()).not.toThrow();
    expect(setting.cryptoki.count('C_Login')).toBe(2);
  });

  it('refused by one token may be right for another', () => {
    const setting = new Setting('9999');
    expect(() => setting.open()).toThrow('CKR_PIN_INCORRECT');
    setting.cryptoki.serial = '0002';
    setting.cryptoki.pin = '9999';
    expect(() => setting.open()).not.toThrow();
  });

  it('is not found in what is remembered of it, which is for the owner only', () => {
    const setting = new Setting('98765432');
    expect(() => setting.open()).toThrow('CKR_PIN_INCORRECT');
    const [file] = readdirSync(setting.state.path);
    const path = join(setting.state.path, file!);
    expect(readFileSync(path, 'utf8')).not.toContain('98765432');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is given up on after two attempts that the process did not survive', () => {
    const setting = new Setting();
    const crash = (): void =>
      new PinGuard(setting.state).attempt('0001', '1234', () => {
        // What a crash in C_Login leaves: the attempt is on disk and its end is not.
        setting.state.remove = () => undefined;
      });
    const remove = setting.state.remove.bind(setting.state);
    crash();
    crash();
    setting.state.remove = remove;
    expect(() => setting.open()).toThrow('2 attempts with the PIN in the PIN file ended with the process');
    expect(setting.cryptoki.count('C_Login')).toBe(0);
  });

  it('is not tried where the token says that it is locked, or that the next wrong one locks it', () => {
    for (const flag of [CK.CKF_USER_PIN_LOCKED, CK.CKF_USER_PIN_FINAL_TRY]) {
      const setting = new Setting();
      setting.cryptoki.flags |= flag;
      expect(() => setting.open()).toThrow(expect.objectContaining({ code: 'PinLocked' }));
      expect(setting.cryptoki.count('C_Login')).toBe(0);
    }
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['a line end only', '\n'],
  ])('file that is %s is a configuration error that names it', (_, content) => {
    const setting = new Setting(content ?? '');
    if (content === undefined) rmSync(setting.pinFile);
    expect(() => setting.open()).toThrow(setting.pinFile);
    expect(() => setting.open()).toThrow(expect.objectContaining({ code: 'InvalidConfiguration' }));
  });
});

describe('a key on the token', () => {
  it('is made so that it cannot leave, and signs', () => {
    const setting = new Setting();
    const key = setting.open().generate('k', 'EC-P256');
    expect(key.attributes).toEqual({ sensitive: true, extractable: false, neverExtractable: true, local: true });
    const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
    const message = Buffer.from('message');
    expect(verify('sha256', message, publicKey, key.sign(message))).toBe(true);
  });

  it('is found by its label, with the same URI, and listed', () => {
    const setting = new Setting();
    const made = setting.open().generate('k', 'EC-P256');
    const root = setting.open();
    expect(root.find('k')?.uri).toBe(made.uri);
    expect(root.find('other')).toBeUndefined();
    expect(root.labels()).toEqual(['k']);
  });

  it.each([
    ['CKA_SENSITIVE', CK.CKA_SENSITIVE, 0],
    ['CKA_EXTRACTABLE', CK.CKA_EXTRACTABLE, 1],
    ['CKA_NEVER_EXTRACTABLE', CK.CKA_NEVER_EXTRACTABLE, 0],
    ['CKA_LOCAL', CK.CKA_LOCAL, 0],
    ['CKA_PRIVATE', CK.CKA_PRIVATE, 0],
  ])('with a wrong %s is unfit, and not kept', (name, attribute, value) => {
    const setting = new Setting();
    setting.cryptoki.wrongAttributes.set(attribute, Buffer.of(value));
    const root = setting.open();
    expect(() => root.generate('k', 'EC-P256')).toThrow(expect.objectContaining({ code: 'KeyUnfit' }));
    expect(root.labels()).toEqual([]);
    expect(() => root.generate('k', 'EC-P256')).toThrow(name);
  });

  it('is destroyed with both halves', () => {
    const setting = new Setting();
    const root = setting.open();
    root.generate('k', 'EC-P256');
    root.destroy('k');
    expect(root.find('k')).toBeUndefined();
    expect(() => root.generate('k', 'EC-P256')).not.toThrow();
  });

  it.each([
    ['EC-P256', CK.CKM_EC_KEY_PAIR_GEN, 'CKM_ECDSA'],
    ['RSA-2048', CK.CKM_RSA_PKCS, 'CKM_RSA_PKCS_KEY_PAIR_GEN'],
  ] as const)('of %s is not made where the token lacks a mechanism, which is named', (algorithm, offered, missing) => {
    const setting = new Setting();
    setting.cryptoki.mechanisms = [offered];
    const attempt = (): unknown => setting.open().generate('k', algorithm);
    expect(attempt).toThrow(expect.objectContaining({ code: 'MechanismMissing' }));
    expect(attempt).toThrow(`no ${missing},`);
  });

  it('is not made on a full token, and not made twice', () => {
    const setting = new Setting();
    const root = setting.open();
    setting.cryptoki.failNext('C_GenerateKeyPair', 'CKR_DEVICE_MEMORY');
    expect(() => root.generate('k', 'EC-P256')).toThrow(expect.objectContaining({ code: 'TokenFull' }));
    setting.cryptoki.failNext('C_GenerateKeyPair', 'CKR_DEVICE_ERROR');
    expect(() => root.generate('k', 'EC-P256')).toThrow(expect.objectContaining({ code: 'TokenFailed' }));
    expect(setting.cryptoki.count('C_GenerateKeyPair')).toBe(2);
  });
});

describe('a session that is lost', () => {
  it.each(['CKR_SESSION_HANDLE_INVALID', 'CKR_DEVICE_REMOVED', 'CKR_TOKEN_NOT_PRESENT', 'CKR_USER_NOT_LOGGED_IN'])(
    'by %s is opened anew, and the signature comes all the same',
    (value) => {
      const setting = new Setting();
      const key = setting.open().generate('k', 'EC-P256');
      setting.cryptoki.dropSessions();
      setting.cryptoki.failNext('C_SignInit', value);
      expect(key.sign(Buffer.from('m'))).toBeInstanceOf(Buffer);
      expect(key.sign(Buffer.from('m'))).toBeInstanceOf(Buffer);
      expect(setting.cryptoki.count('C_Login')).toBe(2);
    },
  );

  it('a second time in the same call is one error that may be tried again', () => {
    const setting = new Setting();
    const key = setting.open().generate('k', 'EC-P256');
    setting.cryptoki.failNext('C_Sign', 'CKR_DEVICE_ERROR');
    setting.cryptoki.failNext('C_Sign', 'CKR_DEVICE_ERROR');
    const opened = setting.cryptoki.count('C_OpenSession');
    expect(() => key.sign(Buffer.from('m'))).toThrow(expect.objectContaining({ code: 'TokenFailed', retryable: true }));
    expect(setting.cryptoki.count('C_OpenSession')).toBe(opened + 1);
    expect(key.sign(Buffer.from('m'))).toBeInstanceOf(Buffer);
  });

  it('is TokenAbsent while the token is away, and recovers when it is back', () => {
    const setting = new Setting();
    const key = setting.open().generate('k', 'EC-P256');
    setting.cryptoki.dropSessions();
    setting.cryptoki.present = false;
    expect(() => key.sign(Buffer.from('m'))).toThrow(expect.objectContaining({ code: 'TokenAbsent' }));
    setting.cryptoki.present = true;
    expect(key.sign(Buffer.from('m'))).toBeInstanceOf(Buffer);
  });

  it('is not taken up on another token of the same label', () => {
    const setting = new Setting();
    const key = setting.open().generate('k', 'EC-P256');
    setting.cryptoki.dropSessions();
    setting.cryptoki.serial = '0666';
    expect(() => key.sign(Buffer.from('m'))).toThrow('serial 0001; found "edge" (serial 0666');
    expect(setting.cryptoki.count('C_Login')).toBe(1);
  });

  it('does not sign with another key that has come under its label', () => {
    const setting = new Setting();
    const root = setting.open();
    const key = root.generate('k', 'EC-P256');
    root.destroy('k');
    root.generate('k', 'EC-P256');
    setting.cryptoki.dropSessions();
    expect(() => key.sign(Buffer.from('m'))).toThrow('another key under its label');
  });
});

describe('a key that a notary with another state folder made', () => {
  function twoNotaries(): { setting: Setting; mark: string } {
    const setting = new Setting();
    setting.open().generate('theirs', 'EC-P256');
    const { marks } = setting.home.read('key-owner') as { marks: [string] };
    setting.home = new StateFolder(join(setting.folder, 'another'));
    return { setting, mark: marks[0] };
  }

  it('is neither used nor destroyed nor replaced, and the message names its mark and the file that lets it in', () => {
    const { setting, mark } = twoNotaries();
    const root = setting.open();
    const refused = expect.objectContaining({
      code: 'KeyUnfit',
      message: expect.stringMatching(`with another state folder \\(mark ${mark}\\).*another/key-owner.json`),
    });
    expect(() => root.find('theirs')).toThrow(refused);
    expect(() => root.destroy('theirs')).toThrow(refused);
    expect(() => root.generate('theirs', 'EC-P256')).toThrow('is on the token already');
    root.generate('ours', 'EC-P256');
    expect(root.labels()).toEqual(['ours', 'theirs']);
    root.destroy('ours');
    expect(root.labels()).toEqual(['theirs']);
  });

  it('is taken over where its mark was added to those of this folder', () => {
    const { setting, mark } = twoNotaries();
    setting.home.write('key-owner', { marks: ['0123456789ab', mark] });
    const root = setting.open();
    const key = root.find('theirs')!;
    const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
    expect(verify('sha256', Buffer.from('m'), publicKey, key.sign(Buffer.from('m')))).toBe(true);
    root.destroy('theirs');
    expect(root.labels()).toEqual([]);
  });

  it.each([[{}], [{ marks: [] }], [{ marks: ['0123'] }], [{ marks: 'all' }]])(
    'is not let in by marks that say %j: the file is refused',
    (document) => {
      const { setting } = twoNotaries();
      setting.home.write('key-owner', document);
      expect(() => setting.open()).toThrow(/key-owner\.json says whose keys .* cannot be read/);
    },
  );
});
