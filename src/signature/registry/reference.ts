// SPDX-License-Identifier: Apache-2.0

/** Where a repository is served, from an image reference. */
export interface Repository {
  /** Host with port, as the distribution API is called: `registry-1.docker.io` for Docker Hub's short names. */
  readonly host: string;
  readonly name: string;
}

const DOCKER_HUB = 'docker.io';
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:]+\](?::\d{1,5})?$/;

/**
 * The repository of a reference such as `registry.example.org:5000/app:1.2@sha256:…` or `busybox` (distribution
 * specification and Docker's short names). Undefined for what is none, such as an image known by its id alone.
 */
export function repositoryOf(reference: string): Repository | undefined {
  const [named = ''] = reference.split('@');
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(slash, 0));
  const hasHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost');
  const host = hasHost ? first : DOCKER_HUB;
  const path = (hasHost ? named.slice(slash + 1) : named).replace(/:[^/:]*$/, '');
  if (!NAME.test(path) || !HOST.test(host) || /^sha256/.test(named)) return undefined;
  if (host !== DOCKER_HUB) return { host, name: path };
  return { host: 'registry-1.docker.io', name: path.includes('/') ? path : `library/${path}` };
}
