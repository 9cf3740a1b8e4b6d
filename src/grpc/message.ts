// SPDX-License-Identifier: Apache-2.0
import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { KeysteadError } from '../errors.ts';

/**
 * Reads a protobuf message from outside. Fields that the schema does not know are dropped, not carried along. Throws
 * InvalidRequest with the message's name; the library throws whatever it stumbles over.
 */
export function decodeMessage<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary<T>(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    const expected = `expected a protobuf message ${schema.typeName}`;
    throw new KeysteadError('InvalidRequest', `${expected}, found ${bytes.length} bytes that are none: ${found}`, {
      cause,
    });
  }
}
