// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { KeysteadError } from '../../errors.ts';

/** How registries are reached. */
export interface RegistryAccess {
  /** `Authorization: Basic` value for a host, where there are credentials. */
  basic(host: string): string | undefined;
  /** Hosts that are called over plain HTTP: registries inside of the site. */
  readonly plainHttp: ReadonlySet<string>;
  /** PEM of further authorities of registries' certificates. */
  readonly ca?: string;
}

export interface RegistryAccessFiles {
  /** Path of a Docker `config.json`; read anew at each use, so that it may be rotated. Empty: none. */
  readonly credentials: string;
  /** Path of a PEM file. Empty: none. */
  readonly ca: string;
  readonly plainHttp: readonly string[];
}

/** Access as files on disk describe it. Throws InvalidConfiguration where one is there and unreadable. */
export function registryAccess({ credentials, ca, plainHttp }: RegistryAccessFiles): RegistryAccess {
  return {
    plainHttp: new Set(plainHttp),
    basic: (host) => (credentials === '' ? undefined : basicOf(credentials, host)),
    ...(ca !== '' && { ca: readFileSync(ca, 'utf8') }),
  };
}

interface DockerConfig {
  readonly auths?: Readonly<
    Record<string, { readonly auth?: string; readonly username?: string; readonly password?: string }>
  >;
}

function basicOf(path: string, host: string): string | undefined {
  const { auths = {} } = parse(path);
  const names =
    host === 'registry-1.docker.io' ? [host, 'docker.io', 'https://index.docker.io/v1/'] : [host, `https://${host}`];
  const found = names.map((name) => auths[name]).find((entry) => entry !== undefined);
  if (!found) return undefined;
  const { auth, username = '', password = '' } = found;
  return `Basic ${auth ?? Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function parse(path: string): DockerConfig {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as DockerConfig;
  } catch (cause) {
    const message = `registry credentials ${path}: expected a Docker config.json, found a file that cannot be read as one`;
    throw new KeysteadError('InvalidConfiguration', message, { cause });
  }
}
