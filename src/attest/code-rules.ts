// SPDX-License-Identifier: Apache-2.0
import type { CodeOrigin, MappingEvidence, ModulePolicy, ProcessEvidence } from './port.ts';
import { failed, held, moduleName, ofProcess, onlyModule, reported, unknown, type Finding, type Rule } from './rule.ts';

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
    const remedy = `correct the ${module.host ? 'program' : 'image'}, or the executables of EdgeModule ${moduleName(module)}`;
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
  foreign: 'put it into the image, or name its volume in process.codeVolumes: code on other mounts is not trusted',
  deleted: 'restart the pod: code whose file was deleted or replaced cannot be traced',
  anonymous: 'run the program from a file of the image',
  node: 'run the program of the image: code of the node is not trusted in a container',
  unprovable: 'use the overlayfs snapshotter, or set fromImage to false and list executables',
};

/**
 * The executable, all mapped code and the script of an interpreter come from the image's read-only layers, or from a
 * volume that the module names. Memory of nameless files, other than the program itself, is left to NotTampered.
 */
export const codeFromImage: Rule = {
  name: 'CodeFromImage',
  reason: 'CodeNotFromImage',
  check: ofProcess((process, module) => {
    if (!module.fromImage) return held(`not demanded by EdgeModule ${moduleName(module)}`);
    if (module.host) return codeOfNode(process, module);
    if (process.mappings.length === 0) {
      return failed('code from the image', 'no code at all', 'call again once the process runs its program');
    }
    const strange = process.mappings.filter(
      (mapping, index): mapping is Strange =>
        isStrange(mapping, module) && (index === 0 || mapping.origin !== 'anonymous'),
    );
    const [first] = strange;
    if (first !== undefined) return notOfImage(first, strange.length - 1);
    return (
      ofScript(process, module) ?? held(`${process.mappings.length} files, all from the image${scriptOf(process)}`)
    );
  }),
};

/** Of a module of the host no image says what belongs to it; but what root alone can write, nobody else has put in its way. */
function codeOfNode(process: ProcessEvidence, module: ModulePolicy): Finding {
  const { mappings, script } = process;
  const strange = mappings.find(({ origin }, index) => origin !== 'node' && (index === 0 || origin !== 'anonymous'));
  if (strange) return notOfNode(strange.path, strange, module);
  if (script === undefined || script.origin === 'node' || module.signals.foreignScript === 'Allow')
    return held(`${mappings.length} files, of which root alone may write each`);
  const finding = notOfNode(`script ${script.path}`, script, module);
  return module.signals.foreignScript === 'Report' ? reported(finding) : finding;
}

function notOfNode(what: string, { origin, detail }: MappingEvidence, module: ModulePolicy): Finding {
  const found = `${what} from ${origin}${detail === undefined ? '' : ` (${detail})`}`;
  const remedy = `have root own it and nobody else write it, or set process.fromImage of EdgeModule ${moduleName(module)} to false`;
  return failed('all code from files that root alone may write', found, remedy);
}

type Strange = MappingEvidence & { readonly origin: Exclude<CodeOrigin, 'image'> };

function isStrange(mapping: MappingEvidence, { codeVolumes }: ModulePolicy): mapping is Strange {
  if (mapping.origin === 'image') return false;
  return mapping.origin !== 'foreign' || mapping.mount === undefined || !codeVolumes.includes(mapping.mount);
}

function notOfImage({ path, origin, detail }: Strange, others: number): Finding {
  const more = others > 0 ? ` and ${others} more` : '';
  const found = `${path} from ${origin}${detail === undefined ? '' : ` (${detail})`}${more}`;
  return failed('all code from the image', found, REMEDIES[origin]);
}

function ofScript({ script, executable }: ProcessEvidence, module: ModulePolicy): Finding | undefined {
  const answer = module.signals.foreignScript;
  if (script === undefined || answer === 'Allow' || !isStrange(script, module)) return undefined;
  const { path, origin, detail } = script;
  const found = `script ${path} of ${executable.path} from ${origin}${detail === undefined ? '' : ` (${detail})`}`;
  const remedy = `${SCRIPT_REMEDIES[origin] ?? REMEDIES[origin]}, or answer process.signals.foreignScript of EdgeModule ${moduleName(module)} otherwise`;
  const finding = failed('all code from the image', found, remedy);
  return answer === 'Report' ? reported(finding) : finding;
}

const SCRIPT_REMEDIES: Partial<Record<CodeOrigin, string>> = {
  foreign: 'put it into the image, or name its volume in process.codeVolumes',
  deleted: 'start it by a path that stays',
};

function scriptOf({ script }: ProcessEvidence): string {
  return script === undefined ? '' : `, script ${script.path} too`;
}
