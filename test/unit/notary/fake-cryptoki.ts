// SPDX-License-Identifier: Apache-2.0
import { createECDH, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { CK, type Cryptoki, type Handle } from '../../../src/notary/root-of-trust/pkcs11/cryptoki.ts';

interface FakeObject {
  readonly attributes: Map<number, Buffer>;
  readonly key?: KeyObject;
}

interface Attribute {
  readonly type: number;
  readonly value?: unknown;
}

const OK = 0;
const NUMBERS: Readonly<Record<string, number>> = {
  CKR_DEVICE_MEMORY: 0x31,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_PIN_INCORRECT: 0xa0,
  CKR_PIN_LOCKED: 0xa4,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_USER_NOT_LOGGED_IN: 0x101,
};

/** A PKCS#11 library with one token in memory; P-256 only. Calls are counted and can be made to fail. */
export class FakeCryptoki implements Partial<Cryptoki> {
  readonly calls: string[] = [];
  pin = '1234';
  label = 'edge';
  serial = '0001';
  present = true;
  flags: number = CK.CKF_TOKEN_INITIALIZED | CK.CKF_LOGIN_REQUIRED;
  /** Flags that a wrong PIN adds. */
  afterWrongPin = 0;
  mechanisms: number[] = [CK.CKM_EC_KEY_PAIR_GEN, CK.CKM_ECDSA];
  /** Attributes of private keys made from now on that differ from what was asked for. */
  readonly wrongAttributes = new Map<number, Buffer>();
  readonly #objects = new Map<number, FakeObject>();
  readonly #failures: { method: string; value: string }[] = [];
  #found: number[] = [];
  #signer: KeyObject | undefined;
  #sessions = new Set<number>();
  #loggedIn = false;
  #last = 0;

  /** The next call of this function returns this value. */
  failNext(method: string, value: string): void {
    this.#failures.push({ method, value });
  }

  count(method: string): number {
    return this.calls.filter((call) => call === method).length;
  }

  /** What a token does that was pulled out and put in again. */
  dropSessions(): void {
    this.#sessions = new Set();
    this.#loggedIn = false;
  }

  load(): void {
    this.#call('load');
  }

  C_Initialize(): void {
    this.#call('C_Initialize');
  }

  C_Finalize(): void {
    this.#call('C_Finalize');
    this.dropSessions();
  }

  C_GetSlotList(): Handle[] {
    this.#call('C_GetSlotList');
    return this.present ? [handle(5)] : [];
  }

  C_GetTokenInfo(): ReturnType<Cryptoki['C_GetTokenInfo']> {
    this.#call('C_GetTokenInfo');
    const { flags } = this;
    const texts = { label: this.label.padEnd(32), manufacturerID: 'Fake'.padEnd(32), model: 'Fake'.padEnd(16) };
    return { ...texts, serialNumber: this.serial.padEnd(16), flags } as ReturnType<Cryptoki['C_GetTokenInfo']>;
  }

  C_GetMechanismList(): number[] {
    this.#call('C_GetMechanismList');
    return this.mechanisms;
  }

  C_OpenSession(): Handle {
    this.#call('C_OpenSession');
    this.#sessions.add(++this.#last);
    return handle(this.#last);
  }

  C_CloseSession(session: Handle): void {
    this.#call('C_CloseSession', session);
    this.#sessions.delete(number(session));
  }

  C_Login(session: Handle, _user: number, pin?: string): void {
    this.#call('C_Login', session);
    if (pin !== this.pin) {
      this.flags |= this.afterWrongPin;
      throw failure('C_Login', 'CKR_PIN_INCORRECT');
    }
    this.#loggedIn = true;
  }

  C_FindObjectsInit(session: Handle, template: Attribute[]): void {
    this.#call('C_FindObjectsInit', session);
    if (!this.#loggedIn) throw failure('C_FindObjectsInit', 'CKR_USER_NOT_LOGGED_IN');
    this.#found = [...this.#objects.keys()].filter((id) =>
      template.every(({ type, value }) => this.#objects.get(id)?.attributes.get(type)?.equals(bytes(value))),
    );
  }

  C_FindObjects(): Handle[] & Handle {
    return this.#found.map(handle) as Handle[] & Handle;
  }

  C_FindObjectsFinal(): void {
    this.#found = [];
  }

  C_GetAttributeValue(session: Handle, object: Handle, template: Attribute[]): { type: number; value: Buffer }[] {
    this.#call('C_GetAttributeValue', session);
    const { attributes } = this.#objects.get(number(object)) ?? { attributes: new Map<number, Buffer>() };
    return template.map(({ type }) => ({ type, value: attributes.get(type) ?? Buffer.alloc(0) }));
  }

  C_GenerateKeyPair(
    session: Handle,
    _mechanism: unknown,
    publicTemplate: Attribute[],
    privateTemplate: Attribute[],
  ): { publicKey: Handle; privateKey: Handle } {
    this.#call('C_GenerateKeyPair', session);
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const point = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    const publicKey = this.#add(publicTemplate, [
      [CK.CKA_CLASS, bytes(CK.CKO_PUBLIC_KEY)],
      [CK.CKA_EC_POINT, Buffer.concat([Buffer.of(4, 65), point])],
    ]);
    const born = [
      [CK.CKA_CLASS, bytes(CK.CKO_PRIVATE_KEY)],
      [CK.CKA_NEVER_EXTRACTABLE, bytes(true)],
      [CK.CKA_LOCAL, bytes(true)],
      ...this.wrongAttributes,
    ] as const;
    return { publicKey, privateKey: this.#add(privateTemplate, born, pair.privateKey) };
  }

  C_DestroyObject(session: Handle, object: Handle): void {
    this.#call('C_DestroyObject', session);
    this.#objects.delete(number(object));
  }

  C_SignInit(session: Handle, _mechanism: unknown, key: Handle): void {
    this.#call('C_SignInit', session);
    if (!this.#loggedIn) throw failure('C_SignInit', 'CKR_USER_NOT_LOGGED_IN');
    this.#signer = this.#objects.get(number(key))?.key;
  }

  C_Sign(session: Handle, digest: Buffer, out: Buffer): Buffer {
    this.#call('C_Sign', session);
    if (!this.#signer) throw failure('C_Sign', 'CKR_KEY_HANDLE_INVALID');
    const raw = signDigest(this.#signer, digest);
    raw.copy(out);
    return out.subarray(0, raw.length);
  }

  #add(template: Attribute[], more: Iterable<readonly [number, Buffer]>, key?: KeyObject): Handle {
    const attributes = new Map(template.map(({ type, value }) => [type, bytes(value)]));
    for (const [type, value] of more) attributes.set(type, value);
    // Handles of objects differ from session to session on real tokens; here at least from run to run.
    const id = 1000 + randomBytes(2).readUInt16LE() * 2 + this.#objects.size;
    this.#objects.set(id, { attributes, ...(key && { key }) });
    return handle(id);
  }

  #call(method: string, session?: Handle): void {
    this.calls.push(method);
    const index = this.#failures.findIndex((planned) => planned.method === method);
    const [planned] = index < 0 ? [] : this.#failures.splice(index, 1);
    if (planned) throw failure(method, planned.value);
    if (session && !this.#sessions.has(number(session))) throw failure(method, 'CKR_SESSION_HANDLE_INVALID');
  }
}

function failure(method: string, value: string): Error {
  return Object.assign(new Error(value), { name: 'Pkcs11Error', method, code: NUMBERS[value] ?? OK + 5 });
}

function handle(id: number): Handle {
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32LE(id);
  return buffer;
}

function number(buffer: Handle): number {
  return buffer.readUInt32LE();
}

function bytes(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0);
  return typeof value === 'number' ? handle(value) : Buffer.from(String(value));
}

/** Order of P-256's base point. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Textbook ECDSA over a digest, r and s side by side as tokens give them; node:crypto only signs messages. */
function signDigest(key: KeyObject, digest: Buffer): Buffer {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  const nonce = BigInt(`0x${ecdh.getPrivateKey('hex')}`);
  const r = BigInt(`0x${ecdh.getPublicKey('hex').slice(2, 66)}`) % N;
  const d = BigInt(`0x${Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url').toString('hex')}`);
  const s = (power(nonce, N - 2n) * ((BigInt(`0x${digest.toString('hex')}`) + r * d) % N)) % N;
  return Buffer.from([r, s].map((value) => value.toString(16).padStart(64, '0')).join(''), 'hex');
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = (square * square) % N) {
    if (left & 1n) result = (result * square) % N;
  }
  return result;
}
