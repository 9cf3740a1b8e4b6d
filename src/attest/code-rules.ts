// SPDX-License-Identifier: Apache-2.0
import type { CodeOrigin, Evidence, IdRange, MappingEvidence, ModulePolicy, ProcessEvidence } from './port.ts';
import { failed, held, moduleName, onlyModule, skippedUntilRunning, type Finding, type Rule } from './rule.ts';

/** The container runs an image that the module allows, by any of the three digests that one image has. */
export const imageDigest: Rule = {
  name: 'ImageDigest',
  reason: 'ImageDigestMismatch',
  check(evidence) {
    const module = onlyModule(evidence);
    const image = evidence.container?.image;
    if (module === undefined || image === undefined) return unknown('the image of a container');
    const kinds = { index: image.index, manifest: image.manifest, config: image.config };
    const found = Object.entries(kinds).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const allowed = new Set(module.digests.map(digestOf));
    const match = found.find(([, digest]) => allowed.has(digestOf(digest)));
    if (match !== undefined) return held(`${match[0]} digest ${match[1]} of ${image.reference}`);
    const remedy =
      allowed.size === 0
        ? `EdgeModule ${moduleName(module)} allows no digest: pin its image`
        : `deploy the allowed image, or add a digest to EdgeModule ${moduleName(module)}`;
    const list = found.map(([kind, digest]) => `${kind} ${digest}`).join(', ');
    return failed(`image digest ${[...allowed].join(' or ') || '(none)'}`, `${image.reference} with ${list}`, remedy);
  },
};

/** `repository@sha256:<hex>` and upper case mean the same digest. */
function digestOf(text: string): string {
  return text
    .slice(text.lastIndexOf('@') + 1)
    .trim()
    .toLowerCase();
}

/** The process runs an executable that the module lists, if it lists any. */
export const executableAllowed: Rule = {
  name: 'ExecutableAllowed',
  reason: 'ExecutableNotAllowed',
  check: ofProcess((process, module) => {
    const { path, sha256, problem } = process.executable;
    if (module.executables.length === 0) return held(`${path}; EdgeModule ${moduleName(module)} names none`);
    const same = module.executables.filter((allowed) => hashOf(allowed.sha256) === hashOf(sha256) && sha256 !== '');
    if (same.some((allowed) => allowed.path === undefined || allowed.path === path)) return held(`${path} (${sha256})`);
    const remedy = `correct the image, or the executables of EdgeModule ${moduleName(module)}`;
    if (same.length > 0) {
      return failed(
        `it at ${same.map((allowed) => allowed.path ?? '').join(' or ')}`,
        `executable ${sha256} at ${path}`,
        remedy,
      );
    }
    const list = module.executables.map((allowed) => `${allowed.path ?? 'any path'} ${hashOf(allowed.sha256)}`);
    const found =
      sha256 === '' ? `${path}, whose hash could not be taken: ${problem ?? 'unknown cause'}` : `${path} ${sha256}`;
    return failed(`executable ${list.join(' or ')}`, found, remedy);
  }),
};

function hashOf(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/^sha256:/, '');
}

/** What each origin means, and what to do about it. */
const REMEDIES: Readonly<Record<Exclude<CodeOrigin, 'image'>, string>> = {
  writable: 'put it into the image: code that was written into the container after its start is not trusted',
  foreign: 'put it into the image: code on volumes and other mounts is not trusted',
  deleted: 'restart the pod: code whose file was deleted or replaced cannot be traced',
  anonymous: 'run it from a file of the image (for .NET set DOTNET_EnableWriteXorExecute=0)',
  unprovable: 'use the overlayfs snapshotter, or set fromImage to false and list executables',
};

/** The executable and all mapped code come from the image's read-only layers. */
export const codeFromImage: Rule = {
  name: 'CodeFromImage',
  reason: 'CodeNotFromImage',
  check: ofProcess((process, module) => {
    if (!module.fromImage) return held(`not demanded by EdgeModule ${moduleName(module)}`);
    const [first] = process.mappings.filter(notFromImage);
    if (process.mappings.length === 0) {
      return failed('code from the image', 'no code at all', 'call again once the process runs its program');
    }
    if (first === undefined) return held(`${process.mappings.length} files, all from the image`);
    const others = process.mappings.filter(notFromImage).length - 1;
    const detail = first.detail === undefined ? '' : ` (${first.detail})`;
    const found = `${first.path} from ${first.origin}${detail}${others > 0 ? ` and ${others} more` : ''}`;
    return failed('all code from the image', found, REMEDIES[first.origin]);
  }),
};

function notFromImage(
  mapping: MappingEvidence,
): mapping is MappingEvidence & { readonly origin: Exclude<CodeOrigin, 'image'> } {
  return mapping.origin !== 'image';
}

/**
 * The process runs under the uid and gid that the module demands, as the container counts them. Before it runs, those
 * that the runtime was told are judged: a container that is to start under another uid shall not find an identity.
 */
export const credentials: Rule = {
  name: 'Credentials',
  reason: 'CredentialsMismatch',
  check(evidence) {
    const module = onlyModule(evidence);
    const { container, process, phase } = evidence;
    if (module === undefined || container === undefined) return unknown('the credentials of a container');
    if (phase === 'Starting') return judged(module, container.uid, container.gid, 'to be started with');
    return process === undefined ? unknown('the credentials of a process') : ofRunning(process, module);
  },
};

function ofRunning(process: ProcessEvidence, module: ModulePolicy): Finding {
  if (process.mixedIds) {
    const remedy = 'drop privileges for good (setresuid, setresgid), or start the container with the final ids';
    return failed('equal real, effective, saved and file system ids', 'different ones', remedy);
  }
  const demanded = module.uidAllowed !== undefined || module.gidAllowed !== undefined;
  if (demanded && process.ownNamespaces?.includes('user') === true) {
    const remedy = 'do not make user namespaces in the module: in them a process may call itself any uid';
    return failed("the container's user namespace", 'another that the process or its parent made', remedy);
  }
  const uid = inside(process.uid, process.userNamespace?.uids);
  const gid = inside(process.gid, process.userNamespace?.gids);
  return judged(module, uid, gid, 'running with');
}

function judged(module: ModulePolicy, uid: number | undefined, gid: number | undefined, how: string): Finding {
  const remedy = `set runAsUser and runAsGroup of the pod, or correct EdgeModule ${moduleName(module)}`;
  if (module.uidAllowed !== undefined && uid !== module.uidAllowed) {
    return failed(`uid ${module.uidAllowed}`, `uid ${uid ?? 'outside of the container'}`, remedy);
  }
  if (module.gidAllowed !== undefined && gid !== module.gidAllowed) {
    return failed(`gid ${module.gidAllowed}`, `gid ${gid ?? 'outside of the container'}`, remedy);
  }
  return held(`${how} uid ${uid ?? 'unmapped'}, gid ${gid ?? 'unmapped'}`);
}

/** The id in the container of one on the host; undefined where the container has no such id. */
function inside(id: number, map?: readonly IdRange[]): number | undefined {
  if (map === undefined) return id;
  const range = map.find(({ outside, length }) => id >= outside && id < outside + length);
  return range === undefined ? undefined : id - range.outside + range.inside;
}

function ofProcess(
  check: (process: ProcessEvidence, module: ModulePolicy) => Finding,
): (evidence: Evidence) => Finding {
  return (evidence) => {
    if (evidence.phase === 'Starting') return skippedUntilRunning;
    const module = onlyModule(evidence);
    return module === undefined || evidence.process === undefined
      ? unknown('a process')
      : check(evidence.process, module);
  };
}

/** What no earlier rule lets through; refused all the same, so that the order of the table is no matter of security. */
function unknown(what: string): Finding {
  return failed(`${what} of one module`, 'none', 'this is a defect of Keystead, please report it');
}
