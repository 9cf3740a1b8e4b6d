// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { TpmChannel } from './channel.ts';
import { COMMANDS, type CommandName, type CommandShape } from './command-table.ts';
import { TPM_ALG, TPM_RH, TPM_SE } from '../../../tpm/constants.ts';
import {
  decodeResponse,
  encodeCommand,
  loadedHandle,
  permanent,
  responseCode,
  type Entity,
  type Response,
} from './framing.ts';
import type { PublicArea } from '../../../tpm/public-area.ts';
import { isBusy, refusalOf } from './response-codes.ts';
import { AuthSession, SESSION_HASH, sessionAttributes, type SessionUse } from './session.ts';
import { shareSecret } from '../../../tpm/shared-secret.ts';
import { EMPTY, sized, u16, u8 } from '../../../tpm/writer.ts';

/** A decryption key in the TPM whose public half salts the sessions. Whoever knows it can speak to no impostor. */
export interface SaltKey {
  readonly entity: Entity;
  readonly area: PublicArea;
}

export interface CommandInput {
  readonly handles?: readonly Entity[];
  readonly parameters?: Buffer;
  /** Sessions for the first handles; a shared HMAC session serves where none is given. */
  readonly sessions?: readonly (AuthSession | undefined)[];
  /** Authorisation value that the first entity has once the command is done, where that changes it. */
  readonly authAfter?: Buffer;
}

/** Authorisation values of the hierarchies; empty unless told. */
export interface HierarchyAuths {
  readonly owner?: Buffer;
  readonly endorsement?: Buffer;
  readonly lockout?: Buffer;
}

const BUSY_TRIES = 12;
const BUSY_FIRST_MS = 5;
const BUSY_LONGEST_MS = 500;

/**
 * A TPM 2.0 and the sessions towards it. Each command is authorised by HMAC, never by a plain password, and encrypted
 * where the TPM allows it and a salt key is set. Synchronous: one command in flight by construction.
 */
export class Tpm {
  readonly #channel: TpmChannel;
  readonly #auths: HierarchyAuths;
  readonly #pool: AuthSession[] = [];
  #saltKey: SaltKey | undefined;
  #lost = false;
  #epoch = 0;

  constructor(channel: TpmChannel, auths: HierarchyAuths = {}) {
    this.#channel = channel;
    this.#auths = auths;
  }

  get place(): string {
    return this.#channel.place;
  }

  /** Grows when the way to the TPM broke: transient handles and sessions of before may be gone. */
  get epoch(): number {
    return this.#epoch;
  }

  get owner(): Entity {
    return permanent(TPM_RH.owner, this.#auths.owner);
  }

  get endorsement(): Entity {
    return permanent(TPM_RH.endorsement, this.#auths.endorsement);
  }

  get lockout(): Entity {
    return permanent(TPM_RH.lockout, this.#auths.lockout);
  }

  /** Salts all sessions from now on with this key. It must stay loaded: a persistent one. */
  saltWith(key: SaltKey | undefined): void {
    this.#flushPool();
    this.#saltKey = key;
  }

  /** Sends one command and takes its response apart. Throws what the TPM refused, by the table of response codes. */
  execute(name: CommandName, input: CommandInput = {}): Response {
    try {
      return this.#once(name, input);
    } catch (thrown) {
      // The TPM has forgotten the shared sessions: it was restarted behind an open connection.
      if (!/^TPM_RC_REFERENCE_S/.test(refusalOf(thrown) ?? '') || input.sessions?.some(Boolean)) throw thrown;
      this.#forget();
      return this.#once(name, input);
    }
  }

  /** Runs with a policy session, salted where possible, that is gone afterwards whatever happens. */
  withPolicySession<T>(run: (session: AuthSession) => T): T {
    const session = this.#startSession('policy');
    return this.#flushedAfter(session.handle, () => run(session));
  }

  /** Runs with a transient object that is flushed afterwards whatever happens. */
  withTransient<E extends Entity, T>(entity: E, run: (entity: E) => T): T {
    return this.#flushedAfter(entity.handle, () => run(entity));
  }

  /** TPM2_FlushContext of an object or session. */
  flush(handle: number): void {
    const parameters = Buffer.alloc(4);
    parameters.writeUInt32BE(handle);
    this.execute('FlushContext', { parameters }).parameters.end();
  }

  /** Flushes what may be gone already, without an error then. */
  release(handle: number): void {
    if (!this.#lost) this.#tryFlush(handle);
  }

  /** Flushes the shared sessions and closes the channel. */
  close(): void {
    if (!this.#lost) this.#flushPool();
    this.#channel.close();
  }

  #flushedAfter<T>(handle: number, run: () => T): T {
    const epoch = this.#epoch;
    let result: T;
    try {
      result = run();
    } catch (thrown) {
      // The first error is the one that matters; where the connection broke there is nothing left to flush.
      if (epoch === this.#epoch && !this.#lost) this.#tryFlush(handle);
      throw thrown;
    }
    this.flush(handle);
    return result;
  }

  #tryFlush(handle: number): void {
    try {
      this.flush(handle);
    } catch (thrown) {
      if (!(thrown instanceof KeysteadError)) throw thrown;
    }
  }

  #once(name: CommandName, input: CommandInput): Response {
    const { handles = [], parameters = EMPTY } = input;
    const uses = this.#uses(COMMANDS[name], handles, input.sessions ?? []);
    const octets = this.#transact(name, encodeCommand(name, handles, parameters, uses));
    const after = input.authAfter;
    const responseUses =
      after === undefined ? uses : uses.map((use) => ({ ...use, auth: withoutTrailingZeros(after) }));
    try {
      return decodeResponse(name, octets, responseUses);
    } catch (thrown) {
      // Not a refusal: the nonces of the shared sessions are no longer what the TPM holds.
      if (refusalOf(thrown) === undefined) this.#flushPool();
      throw thrown;
    }
  }

  #uses(shape: CommandShape, handles: readonly Entity[], given: readonly (AuthSession | undefined)[]): SessionUse[] {
    return handles.slice(0, shape.auths).map((entity, index) => {
      const session = given[index] ?? this.#shared(index);
      const auth = withoutTrailingZeros(entity.auth ?? EMPTY);
      const encryptable = index === 0 && session.hides(auth) ? shape.encryptable : '';
      session.roll();
      return { session, auth, attributes: sessionAttributes(encryptable) };
    });
  }

  /** A session may stand in a command only once (Part 1, 19.2), so that two authorisations take two sessions. */
  #shared(index: number): AuthSession {
    if (this.#lost) this.#reopen();
    while (this.#pool.length <= index) this.#pool.push(this.#startSession('hmac'));
    const session = this.#pool[index];
    if (!session) throw new KeysteadError('Internal', 'the pool of TPM sessions is empty after it was filled');
    return session;
  }

  #startSession(kind: 'hmac' | 'policy'): AuthSession {
    const key = this.#saltKey;
    const { secret, encrypted } = key ? shareSecret(key.area, 'SECRET') : { secret: EMPTY, encrypted: EMPTY };
    const nonceCaller = AuthSession.newNonce();
    const symmetric = Buffer.concat([u16(TPM_ALG.aes), u16(128), u16(TPM_ALG.cfb)]);
    const type = u8(kind === 'hmac' ? TPM_SE.hmac : TPM_SE.policy);
    const response = this.execute('StartAuthSession', {
      handles: [key?.entity ?? permanent(TPM_RH.null), permanent(TPM_RH.null)],
      parameters: Buffer.concat([sized(nonceCaller), sized(encrypted), type, symmetric, u16(SESSION_HASH)]),
    });
    const nonceTpm = response.parameters.sized();
    response.parameters.end();
    return new AuthSession({ kind, handle: loadedHandle(response), salt: secret, nonceCaller, nonceTpm });
  }

  /** The same octets again while the TPM says that it is busy. */
  #transact(name: CommandName, command: Buffer): Buffer {
    let pause = BUSY_FIRST_MS;
    for (let attempt = 1; ; attempt++) {
      const octets = this.#exchange(command);
      if (attempt === BUSY_TRIES || !isBusy(responseCode(name, octets))) return octets;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
      pause = Math.min(2 * pause, BUSY_LONGEST_MS);
    }
  }

  #exchange(command: Buffer): Buffer {
    if (this.#lost) this.#reopen();
    try {
      return this.#channel.exchange(command);
    } catch (thrown) {
      this.#lost = true;
      this.#forget();
      throw thrown;
    }
  }

  #reopen(): void {
    this.#channel.reopen();
    this.#lost = false;
  }

  #forget(): void {
    this.#pool.length = 0;
    this.#epoch++;
  }

  #flushPool(): void {
    for (const session of this.#pool.splice(0)) this.#tryFlush(session.handle);
  }
}

function withoutTrailingZeros(auth: Buffer): Buffer {
  let end = auth.length;
  while (end > 0 && auth[end - 1] === 0) end--;
  return auth.subarray(0, end);
}
