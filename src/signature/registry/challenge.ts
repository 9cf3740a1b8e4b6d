// SPDX-License-Identifier: Apache-2.0

/** What a registry asks for: a token of this realm (Docker's token authentication specification). */
export interface Challenge {
  readonly realm: URL;
  readonly service?: string;
}

/** Reads `WWW-Authenticate: Bearer realm="…",service="…"`; undefined for anything else, and for a realm without TLS. */
export function challengeOf(header: string | readonly string[] | undefined): Challenge | undefined {
  const text = typeof header === 'string' ? header : (header?.[0] ?? '');
  if (!/^bearer /i.test(text)) return undefined;
  const fields = Object.fromEntries(
    [...text.matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, name = '', value]) => [name.toLowerCase(), value]),
  );
  const { realm, service } = fields;
  if (realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  if (url.protocol !== 'https:') return undefined;
  return { realm: url, ...(service !== undefined && { service }) };
}

/** Where the token that allows pulling from a repository is asked for. */
export function tokenUrl({ realm, service }: Challenge, name: string): URL {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', `repository:${name}:pull`);
  return url;
}
