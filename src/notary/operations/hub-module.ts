// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import { Fields } from '../fields.ts';
import { GENERATION_ID, MODULE_ID, NAMESPACE } from '../hub-module-name.ts';
import type { HubModuleName } from '../hub-port.ts';

const MAX_NAME = 128;

/** Most that a module may have signed, encrypted or decrypted at once, bytes; with base64 it fits into a request. */
export const MAX_TEXT_BYTES = 40 * 1024;

export function decodeHubModule(fields: Fields): HubModuleName {
  const namespace = fields.string('namespace', MAX_NAME);
  const moduleId = fields.string('moduleId', MAX_NAME);
  const generationId = fields.string('generationId', MAX_NAME);
  if (!NAMESPACE.test(namespace)) throw malformed('namespace', 'lower-case letters, digits and -', namespace);
  if (!MODULE_ID.test(moduleId)) throw malformed('moduleId', "letters, digits and -+%_#*?!(),:=@$'.", moduleId);
  if (!GENERATION_ID.test(generationId)) throw malformed('generationId', 'letters, digits and -_.', generationId);
  return { namespace, moduleId, generationId };
}

/** Bytes as the only result. */
export const bytesResult = {
  encodeResult: (bytes: Buffer): unknown => ({ bytes: bytes.toString('base64') }),
  decodeResult: (result: unknown): Buffer => new Fields(result, 'result').bytes('bytes', 2 * MAX_TEXT_BYTES),
};

function malformed(field: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `${field}: expected 1 to 128 ${expected}, found ${JSON.stringify(found)}`);
}
