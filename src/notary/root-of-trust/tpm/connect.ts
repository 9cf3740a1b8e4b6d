// SPDX-License-Identifier: Apache-2.0
import { constants, openSync } from 'node:fs';
import { KeysteadError } from '../../../errors.ts';
import { errnoOf } from '../../../os/files.ts';
import { connectStream, type SocketPlace } from '../../../os/stream-socket.ts';

/** Opens the device node of a TPM, non-blocking. Throws TokenAbsent. */
export function openDevice(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    const found = errnoOf(cause) ?? 'unknown';
    const remedy = 'set the chart value tpm.device to it, so that the agent relays it';
    throw new KeysteadError('TokenAbsent', `cannot open the TPM ${path}: ${found}; ${remedy}`, { cause });
  }
}

/** Connects to a software TPM. Throws TokenAbsent, and InvalidConfiguration where the sandbox allows no such socket. */
export function connectSocket(place: SocketPlace, name: string): number {
  try {
    return connectStream(place);
  } catch (cause) {
    if (cause instanceof KeysteadError && cause.code === 'InvalidConfiguration') throw cause;
    const found = errnoOf(cause) ?? 'unknown';
    if (found === 'EPERM') {
      const remedy = "give the unix socket of the TPM, or let the notary's sandbox be `network`";
      const denied = `the sandbox lets this process open unix sockets only; ${remedy}`;
      throw new KeysteadError('InvalidConfiguration', `cannot connect to the TPM at ${name}: ${denied}`, { cause });
    }
    const message = `cannot connect to the TPM at ${name}: ${found}; start what serves it: a swtpm, or the agent for the chart's tpm.device`;
    throw new KeysteadError('TokenAbsent', message, { cause });
  }
}
