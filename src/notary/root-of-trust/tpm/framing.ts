// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { HEADER_BYTES } from './channel.ts';
import { COMMANDS, type CommandName, type CommandShape } from './command-table.ts';
import { TPM_ST } from '../../../tpm/constants.ts';
import { digest } from '../../../tpm/key-derivation.ts';
import { TpmReader } from '../../../tpm/reader.ts';
import { refusal } from './response-codes.ts';
import { SESSION_HASH, type SessionUse } from './session.ts';
import { EMPTY, sized, u16, u32 } from '../../../tpm/writer.ts';

/** Anything that a handle names. Its name is part of what a session authenticates (Part 1, 16). */
export interface Entity {
  readonly handle: number;
  readonly name: Buffer;
  /** Authorisation value; empty unless told. Trailing zeros do not count (Part 1, 19.6.4.3). */
  readonly auth?: Buffer;
}

/** PCRs, sessions and hierarchies are named by their handle. */
export function permanent(handle: number, auth?: Buffer): Entity {
  return { handle, name: u32(handle), ...(auth && { auth }) };
}

export interface Response {
  /** Handle of what was loaded; undefined where the command loads nothing. */
  readonly handle: number | undefined;
  /** The caller reads all parameters and ends with `end()`. */
  readonly parameters: TpmReader;
}

/** Octets of a command (Part 1, 18.4): header, handles, authorisations, parameters. */
export function encodeCommand(
  name: CommandName,
  handles: readonly Entity[],
  parameters: Buffer,
  uses: readonly SessionUse[],
): Buffer {
  const { code } = COMMANDS[name];
  const wire = encryptFirst(parameters, uses[0]);
  const names = handles.map((entity) => entity.name);
  const commandDigest = uses.length === 0 ? EMPTY : digest(SESSION_HASH, u32(code), ...names, wire);
  const areas = uses.map((use) => use.session.authorise(use, commandDigest));
  const area = Buffer.concat(areas);
  const body = Buffer.concat([
    ...handles.map((entity) => u32(entity.handle)),
    ...(uses.length === 0 ? [] : [u32(area.length), area]),
    wire,
  ]);
  const tag = u16(uses.length === 0 ? TPM_ST.noSessions : TPM_ST.sessions);
  return Buffer.concat([tag, u32(HEADER_BYTES + body.length), u32(code), body]);
}

function encryptFirst(parameters: Buffer, use: SessionUse | undefined): Buffer {
  if (!use || (use.attributes & 0x20) === 0) return parameters;
  const reader = new TpmReader(parameters, 'command parameters', 'Internal');
  const first = reader.sized();
  return Buffer.concat([sized(use.session.encrypt(first, use.auth)), reader.rest()]);
}

/** The response code in a header; refuses octets that are no response at all. */
export function responseCode(name: CommandName, octets: Buffer): number {
  const reader = new TpmReader(octets, `response to TPM2_${name}`);
  const tag = reader.u16();
  const size = reader.u32();
  const code = reader.u32();
  if (size !== octets.length) throw reader.fail(`a size of ${size} in ${octets.length} octets`);
  if (tag !== TPM_ST.noSessions && tag !== TPM_ST.sessions && code === 0)
    throw reader.fail(`tag 0x${tag.toString(16)}`);
  return code;
}

/** Takes a response apart, checks its sessions, decrypts. Throws the TPM's refusal, TokenFailed for malformed octets. */
export function decodeResponse(name: CommandName, octets: Buffer, uses: readonly SessionUse[]): Response {
  const code = responseCode(name, octets);
  if (code !== 0) throw refusal(name, code);
  const shape: CommandShape = COMMANDS[name];
  const what = `response to TPM2_${name}`;
  const reader = new TpmReader(octets.subarray(HEADER_BYTES), what);
  const withSessions = octets.readUInt16BE(0) === TPM_ST.sessions;
  // Without this an answer that leaves the sessions out would pass for an authentic one.
  if (withSessions !== uses.length > 0) throw reader.fail(withSessions ? 'sessions' : 'no sessions');
  const handle = shape.returnsHandle ? reader.u32() : undefined;
  if (!withSessions) return { handle, parameters: new TpmReader(reader.rest(), what) };
  const wire = reader.bytes(reader.u32());
  const responseDigest = digest(SESSION_HASH, u32(0), u32(shape.code), wire);
  for (const use of uses) use.session.accept(use, reader, responseDigest);
  reader.end();
  return { handle, parameters: new TpmReader(decryptFirst(wire, uses[0]), what) };
}

function decryptFirst(wire: Buffer, use: SessionUse | undefined): Buffer {
  if (!use || (use.attributes & 0x40) === 0) return wire;
  const reader = new TpmReader(wire, 'encrypted response');
  const first = reader.sized();
  return Buffer.concat([sized(use.session.decrypt(first, use.auth)), reader.rest()]);
}

/** Handle of a response whose command loads something. */
export function loadedHandle(response: Response): number {
  if (response.handle !== undefined) return response.handle;
  throw new KeysteadError('Internal', 'a command of the TPM that loads nothing was asked for a handle');
}
