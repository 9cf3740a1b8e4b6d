// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto';
import type { TpmChannel } from '../../../src/notary/root-of-trust/tpm/channel.ts';
import { COMMANDS, type CommandShape } from '../../../src/notary/root-of-trust/tpm/command-table.ts';
import { TPM_ST } from '../../../src/tpm/constants.ts';
import { TpmReader } from '../../../src/tpm/reader.ts';
import { sized, u16, u32, u8 } from '../../../src/tpm/writer.ts';
import { bytes, RECORDED } from './recorded.ts';

const NAMES = new Map<number, { name: string; shape: CommandShape }>(
  Object.entries(COMMANDS).map(([name, shape]) => [shape.code, { name, shape }]),
);
const NONCE = Buffer.alloc(32, 0x5a);

export interface Changes {
  /** Changes the parameters before the sessions authenticate them: a TPM that is itself broken. */
  readonly parameters?: (octets: Buffer, command: string) => Buffer;
  /** Changes the whole response: noise, or somebody on the bus. */
  readonly response?: (octets: Buffer, command: string) => Buffer;
}

/**
 * A TPM that answers each command with what a real one answered once, with good HMACs for sessions without salt (their
 * key is empty), and lets a test change the answer.
 */
export function fakeTpm(changes: Changes = {}): TpmChannel & { commands: string[] } {
  const commands: string[] = [];
  return {
    place: 'fake',
    commands,
    exchange(command) {
      const { name, shape } = NAMES.get(command.readUInt32BE(6))!;
      commands.push(name);
      const key = name === 'GetCapability' ? `${name}/${command.readUInt32BE(10)}` : name;
      const recorded = RECORDED.responses[key];
      const [handle, parameters] = recorded?.includes(':') ? recorded.split(':') : ['', recorded ?? ''];
      const changed = changes.parameters?.(bytes(parameters!), name) ?? bytes(parameters!);
      const sessions = command.readUInt16BE(0) === TPM_ST.sessions ? readSessions(command, shape.handles) : [];
      const response = frame({ handle: bytes(handle!), parameters: changed, code: shape.code }, sessions);
      return changes.response?.(response, name) ?? response;
    },
    reopen: () => undefined,
    close: () => undefined,
  };
}

interface Session {
  readonly nonce: Buffer;
  readonly attributes: number;
  /** A policy session without salt has no HMAC at all. */
  readonly isPolicy: boolean;
}

function readSessions(command: Buffer, handles: number): Session[] {
  const reader = new TpmReader(command.subarray(10 + 4 * handles), 'command');
  const area = new TpmReader(reader.bytes(reader.u32()), 'sessions');
  const found: Session[] = [];
  while (area.remaining > 0) {
    area.u32();
    found.push({ nonce: area.sized(), attributes: area.u8(), isPolicy: area.sized().length === 0 });
  }
  return found;
}

function frame(
  { handle, parameters, code }: { handle: Buffer; parameters: Buffer; code: number },
  sessions: readonly Session[],
): Buffer {
  const digest = createHash('sha256').update(u32(0)).update(u32(code)).update(parameters).digest();
  const areas = sessions.map(({ nonce, attributes, isPolicy }) => {
    const mac = createHmac('sha256', '').update(digest).update(NONCE).update(nonce).update(u8(attributes)).digest();
    return Buffer.concat([sized(NONCE), u8(attributes), isPolicy ? sized() : sized(mac)]);
  });
  const size = sessions.length > 0 ? u32(parameters.length) : Buffer.alloc(0);
  const body = Buffer.concat([handle, size, parameters, ...areas]);
  const tag = u16(sessions.length > 0 ? TPM_ST.sessions : TPM_ST.noSessions);
  return Buffer.concat([tag, u32(10 + body.length), u32(0), body]);
}
