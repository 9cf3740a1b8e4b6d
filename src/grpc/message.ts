// SPDX-License-Identifier: Apache-2.0
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
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

const encodings = new WeakMap<object, Buffer>();

/** A message that is sent again and again: encoded here, once. It must not be changed any more. */
export function encodedOnce<T extends DescMessage>(schema: T, content: MessageInitShape<T>): MessageShape<T> {
  const message = create<T>(schema, content);
  encodings.set(message, encodeMessage(schema, message));
  return message;
}

export function encodeMessage<T extends DescMessage>(schema: T, message: MessageShape<T>): Buffer {
  return encodings.get(message) ?? Buffer.from(toBinary(schema, message));
}
