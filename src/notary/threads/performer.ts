// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import type { AuditEntry } from '../audit.ts';
import { encodeAnswer, errorAnswer, MalformedRequest, openEnvelope, readEnvelope } from '../messages.ts';
import { operationNamed, type TokenPerformers } from '../operations/index.ts';
import { CONNECTION_ID, type Request } from '../protocol.ts';
import type { ThreadAnswer } from './messages.ts';

/** Holds the record of the use of a key until its answer is made. */
export class HeldBackUse {
  readonly #encode: (entry: AuditEntry) => string;
  #use: string | undefined;

  /** `encode` gives the JSON object that the audit log will hold. */
  constructor(encode: (entry: AuditEntry) => string) {
    this.#encode = encode;
  }

  record(entry: AuditEntry): void {
    this.#use = this.#encode(entry);
  }

  take(): string | undefined {
    const use = this.#use;
    this.#use = undefined;
    return use;
  }
}

/** Does one request: text in, text out. Never throws. */
export function perform(text: string, performers: Partial<TokenPerformers>, uses: HeldBackUse): ThreadAnswer {
  let id: number = CONNECTION_ID;
  let start = 0;
  try {
    const envelope = readEnvelope(text);
    id = envelope.id;
    const request = openEnvelope(envelope);
    start = performance.now();
    const result = resultOf(request, performers);
    const seconds = secondsSince(start);
    return { text: JSON.stringify(encodeAnswer({ id, result })), code: 'Ok', seconds, ...takenFrom(uses) };
  } catch (thrown) {
    const error = asKeysteadError(thrown instanceof MalformedRequest ? thrown.cause : thrown);
    const answer = JSON.stringify(encodeAnswer(errorAnswer(id, error)));
    return { text: answer, code: error.code, seconds: start === 0 ? 0 : secondsSince(start), ...takenFrom(uses) };
  }
}

function takenFrom(uses: HeldBackUse): Pick<ThreadAnswer, 'use'> {
  const use = uses.take();
  return use === undefined ? {} : { use };
}

function resultOf({ operation, body }: Request, performers: Partial<TokenPerformers>): unknown {
  const method = (performers as Partial<Record<string, (body: unknown) => unknown>>)[operation];
  if (!method) throw new KeysteadError('Internal', `${operation} was asked of a thread that does not do it`);
  return operationNamed(operation).encodeResult(method.call(performers, body));
}

const secondsSince = (start: number): number => (performance.now() - start) / 1000;
