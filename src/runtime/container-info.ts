// SPDX-License-Identifier: Apache-2.0

/** What a verbose CRI ContainerStatus tells in its `info` map beyond the CRI's own fields. */
export interface ContainerInfo {
  /** Host pid of the first process; undefined before the container is started. */
  readonly pid?: number;
  /** As the runtime was told to start it, in the container's user namespace. */
  readonly uid: number;
  readonly gid: number;
  /** Image in the pod spec (CRI 1.28 and later). */
  readonly userSpecifiedImage?: string;
  /** Image by which the container was created; containerd: the configuration's digest. */
  readonly image?: string;
  /** The whole command line. */
  readonly argv?: readonly string[];
  /** Entries (`NAME=value`) of the environment that the pod did not give, so that they are of the image; empty if not told. */
  readonly imageEnvironment: readonly string[];
}

/**
 * Reads the `info` entry that containerd and CRI-O write. Undefined where it is not there, is no JSON or lacks
 * the user of the process: then nothing can be said about the container.
 */
export function parseContainerInfo(info: Readonly<Record<string, string>>): ContainerInfo | undefined {
  let value: unknown;
  try {
    value = JSON.parse(info['info'] ?? '');
  } catch {
    return undefined;
  }
  const user = at(value, 'runtimeSpec', 'process', 'user');
  const [uid, gid, pid] = [id(at(user, 'uid')), id(at(user, 'gid')), id(at(value, 'pid'))];
  if (uid === undefined || gid === undefined) return undefined;
  const image = text(at(value, 'config', 'image', 'image'));
  const argv = texts(at(value, 'runtimeSpec', 'process', 'args'));
  const userSpecifiedImage = text(at(value, 'config', 'image', 'user_specified_image'));
  return {
    uid,
    gid,
    ...(pid !== undefined && pid > 0 && { pid }),
    ...(image !== undefined && { image }),
    ...(userSpecifiedImage !== undefined && { userSpecifiedImage }),
    ...(argv !== undefined && { argv }),
    imageEnvironment: imageEnvironment(value),
  };
}

/** The runtime tells what it was given by the kubelet (`config.envs`) and what came of it with the image's own. */
function imageEnvironment(value: unknown): string[] {
  const given = at(value, 'config', 'envs');
  if (at(value, 'config') === undefined || (given !== undefined && !Array.isArray(given))) return [];
  const names = new Set((given ?? []).map((entry) => text(at(entry, 'key'))));
  const all = texts(at(value, 'runtimeSpec', 'process', 'env')) ?? [];
  return all.filter((entry) => !names.has(entry.slice(0, entry.indexOf('='))));
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function id(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
