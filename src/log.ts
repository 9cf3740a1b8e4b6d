// SPDX-License-Identifier: Apache-2.0
import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Field names that may hold a secret anywhere in a logged object; their values are never written. */
const SECRET_FIELDS = ['pin', 'privateKey', 'tls.key', 'token', 'password', 'secret', 'authorization', 'credentials'];

/**
 * A structured logger (JSON lines on standard output). `process` names the program in every line.
 * Values of secret-bearing fields are replaced by `[redacted]` up to three levels deep.
 */
export function createLogger(process: string, level = 'info', destination?: DestinationStream): Logger {
  const paths = SECRET_FIELDS.flatMap((field) => {
    const key = `["${field}"]`;
    return [key, `*${key}`, `*.*${key}`];
  });
  const options = { base: { process }, level, redact: { paths, censor: '[redacted]' } };
  return destination ? pino(options, destination) : pino(options);
}
