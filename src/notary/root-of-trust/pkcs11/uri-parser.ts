// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { KeysteadError } from '../../../errors.ts';

/** What a `pkcs11:` URI may name here (RFC 7512, 2.3); texts decoded. */
export interface Pkcs11Uri {
  readonly token?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly serial?: string;
  readonly slotId?: number;
  readonly object?: string;
  readonly id?: Buffer;
  readonly type?: string;
  readonly modulePath?: string;
  /** Absolute path of the file with the PIN. */
  readonly pinFile?: string;
}

const SCHEME = 'pkcs11:';
const MAX_CHARACTERS = 2048;
const PATH_ATTRIBUTES = ['token', 'manufacturer', 'model', 'serial', 'slot-id', 'object', 'id', 'type'];
const QUERY_ATTRIBUTES = ['module-path', 'pin-source', 'pin-value'];
/** RFC 7512 `pk11-pchar` and, in queries, `pk11-qchar`: `/`, `?` and `|` stand there too. */
const VALUE = {
  path: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*$/,
  query: /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/,
};
const MAX_SLOT = 2 ** 32 - 1;

/**
 * Reads a `pkcs11:` URI. Attributes that are not known are refused, since what they name would be left out of account.
 * Throws InvalidConfiguration, which never shows a value: a PIN may be among them.
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (!text.startsWith(SCHEME)) throw invalid(`expected ${SCHEME} at its start`);
  if (text.length > MAX_CHARACTERS)
    throw invalid(`expected at most ${MAX_CHARACTERS} characters, found ${text.length}`);
  const at = text.indexOf('?');
  const [path, query] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  const named = attributes(path.slice(SCHEME.length), ';', PATH_ATTRIBUTES, VALUE.path);
  const asked = attributes(query, '&', QUERY_ATTRIBUTES, VALUE.query);
  if (asked.has('pin-value')) {
    throw invalid(
      'it holds a PIN (pin-value), which whoever reads the EdgeDevice would see; put the PIN into a file and name it by pin-source or pinFile',
    );
  }
  const slot = textOf(named, 'slot-id');
  const source = textOf(asked, 'pin-source');
  const id = named.get('id');
  return {
    ...optional('token', textOf(named, 'token')),
    ...optional('manufacturer', textOf(named, 'manufacturer')),
    ...optional('model', textOf(named, 'model')),
    ...optional('serial', textOf(named, 'serial')),
    ...(slot !== undefined && { slotId: slotNumber(slot) }),
    ...optional('object', textOf(named, 'object')),
    ...(id && { id }),
    ...optional('type', textOf(named, 'type')),
    ...optional('modulePath', textOf(asked, 'module-path')),
    ...(source !== undefined && { pinFile: pinFile(source) }),
  };
}

function attributes(text: string, separator: string, known: readonly string[], form: RegExp): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const part of text === '' ? [] : text.split(separator)) {
    const at = part.indexOf('=');
    const name = at < 0 ? '' : part.slice(0, at);
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(`expected attributes as name=value between ${separator}`);
    if (!known.includes(name)) throw invalid(`expected the attributes ${known.join(', ')}, found ${name}`);
    if (found.has(name)) throw invalid(`expected each attribute once, found ${name} again`);
    const value = part.slice(at + 1);
    if (!form.test(value)) throw invalid(`expected the value of ${name} percent-encoded as RFC 7512 says`);
    found.set(name, decoded(value));
  }
  return found;
}

function decoded(value: string): Buffer {
  return Buffer.from(
    value.replace(/%([0-9A-Fa-f]{2})/g, (_, octet: string) => String.fromCharCode(parseInt(octet, 16))),
    'latin1',
  );
}

function textOf(found: ReadonlyMap<string, Buffer>, name: string): string | undefined {
  const value = found.get(name);
  if (value === undefined) return undefined;
  if (value.length > 0 && isUtf8(value) && !value.includes(0)) return value.toString('utf8');
  throw invalid(`expected a text in UTF-8 as ${name}, found none`);
}

function slotNumber(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= MAX_SLOT) return Number(text);
  throw invalid('expected a number of at most 32 bits as slot-id');
}

/** RFC 7512 2.4: a file URI, or what the implementation takes; a command (`|`) is never run. */
function pinFile(source: string): string {
  const path = source.replace(/^file:(\/\/(localhost)?(?=\/))?/, '');
  if (path.startsWith('/') && !path.split('/').includes('..')) return path;
  throw invalid("expected an absolute path without '..' as pin-source, for example file:/etc/keystead/pin/pin");
}

function optional<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, string>);
}

function invalid(found: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `pkcs11: URI: ${found}`);
}
