// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { ApiError, unreachable, type Status } from './api-error.ts';
import type { KubeObject } from './resource.ts';

export interface WatchEvent<T extends KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/**
 * Reads the events of a watch, one JSON document a line. Ends when the server ends the stream.
 * Throws ApiError for an ERROR event (status 410 where the version is too old), for a line that is not JSON, and
 * after `silenceMs` without a byte: bookmarks come each minute, so a silent stream may well be dead.
 */
export async function* watchEvents<T extends KubeObject>(
  stream: IncomingMessage,
  what: string,
  silenceMs: number,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const silence = setTimeout(() => stream.destroy(new Error(`silent for ${silenceMs} ms`)), silenceMs);
  try {
    for await (const line of lines(stream, () => silence.refresh())) yield parse<T>(line, what);
  } catch (thrown) {
    throw thrown instanceof ApiError ? thrown : unreachable(thrown, what);
  } finally {
    clearTimeout(silence);
    stream.destroy();
  }
}

async function* lines(stream: IncomingMessage, onBytes: () => void): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    onBytes();
    const text = rest + decoder.write(chunk as Buffer);
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (end > start) yield text.slice(start, end);
      start = end + 1;
    }
    rest = text.slice(start);
  }
}

function parse<T extends KubeObject>(line: string, what: string): WatchEvent<T> {
  let event: { type: string; object: unknown };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (thrown) {
    throw unreachable(new Error('a watch event is not JSON', { cause: thrown }), what);
  }
  if (event.type === 'ERROR') {
    const status = event.object as Status;
    throw new ApiError({ ...status, code: status.code ?? 500 }, what);
  }
  return event as WatchEvent<T>;
}
