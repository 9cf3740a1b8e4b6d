// SPDX-License-Identifier: Apache-2.0
import type { IdRange, ModulePolicy, ProcessEvidence } from './port.ts';
import { failed, held, moduleName, onlyModule, unknown, type Finding, type Rule } from './rule.ts';

/**
 * The process runs under the uid and gid that the module demands, as the container counts them, and with no more
 * groups, capabilities and freedom than it allows. Before it runs, the ids that the runtime was told are judged: a
 * container that is to start under another uid shall not find an identity.
 */
export const credentials: Rule = {
  name: 'Credentials',
  reason: 'CredentialsMismatch',
  check(evidence) {
    const module = onlyModule(evidence);
    const { container, process, phase } = evidence;
    if (module === undefined) return unknown('the credentials of a process');
    if (phase === 'Starting') {
      if (container === undefined) return unknown('the credentials of a container');
      return judged(module, container.uid, container.gid) ?? held(ids('to be started with', container));
    }
    return process === undefined ? unknown('the credentials of a process') : ofRunning(process, module);
  },
};

function ofRunning(process: ProcessEvidence, module: ModulePolicy): Finding {
  if (process.mixedIds) {
    const remedy = 'drop privileges for good (setresuid, setresgid), or start the container with the final ids';
    return failed('equal real, effective, saved and file system ids', 'different ones', remedy);
  }
  const demanded = [module.uidAllowed, module.gidAllowed, module.groupsAllowed].some((each) => each !== undefined);
  // On the node itself there is none but the node's, however many ids it has.
  const strange = module.host ? process.userNamespace !== undefined : false;
  if (strange || (demanded && process.ownNamespaces?.includes('user') === true)) {
    const remedy = 'do not make user namespaces in the module: in them a process may call itself any uid';
    return failed(
      module.host ? "the node's user namespace" : "the container's user namespace",
      'another that the process or its parent made',
      remedy,
    );
  }
  const uid = inside(process.uid, process.userNamespace?.uids);
  const gid = inside(process.gid, process.userNamespace?.gids);
  return (
    judged(module, uid, gid) ??
    otherGroup(process, module, gid) ??
    tooFree(process, module) ??
    held(seen(process, uid, gid))
  );
}

function judged(module: ModulePolicy, uid: number | undefined, gid: number | undefined): Finding | undefined {
  const where = module.host ? 'User and Group of the unit' : 'runAsUser and runAsGroup of the pod';
  const remedy = `set ${where}, or correct EdgeModule ${moduleName(module)}`;
  if (module.uidAllowed !== undefined && uid !== module.uidAllowed) {
    return failed(`uid ${module.uidAllowed}`, `uid ${uid ?? 'outside of the container'}`, remedy);
  }
  if (module.gidAllowed !== undefined && gid !== module.gidAllowed) {
    return failed(`gid ${module.gidAllowed}`, `gid ${gid ?? 'outside of the container'}`, remedy);
  }
  return undefined;
}

/** The process's own group may stand among the supplementary ones, where it says nothing new. */
function otherGroup(process: ProcessEvidence, module: ModulePolicy, gid: number | undefined): Finding | undefined {
  const { groupsAllowed } = module;
  if (groupsAllowed === undefined) return undefined;
  const groups = process.privileges.groups.map((id) => inside(id, process.userNamespace?.gids));
  const other = groups.findIndex((id) => id === undefined || (id !== gid && !groupsAllowed.includes(id)));
  if (other < 0) return undefined;
  const remedy = `correct supplementalGroups and fsGroup of the pod or /etc/group of the image, or process.groups of EdgeModule ${moduleName(module)}`;
  const expected = `supplementary groups ${groupsAllowed.join(', ') || 'none'}`;
  return failed(expected, `group ${groups[other] ?? 'outside of the container'}`, remedy);
}

function tooFree({ privileges }: ProcessEvidence, module: ModulePolicy): Finding | undefined {
  const { capabilitiesAllowed: allowed } = module;
  const more = allowed === undefined ? [] : privileges.capabilities.filter((name) => !allowed.includes(name));
  const name = moduleName(module);
  if (more.length > 0) {
    const remedy = `drop them in securityContext.capabilities of the pod, or add them to process.capabilities of EdgeModule ${name}`;
    return failed(`capabilities ${allowed?.join(', ') || 'none'}`, more.join(', '), remedy);
  }
  if (module.noNewPrivileges && !privileges.noNewPrivileges) {
    const remedy = `set allowPrivilegeEscalation: false in the pod, or process.noNewPrivileges: false in EdgeModule ${name}`;
    return failed('a process that can gain no privileges (NoNewPrivs)', 'one that can', remedy);
  }
  if (module.seccomp && privileges.seccomp === 'Off') {
    const remedy = `set seccompProfile RuntimeDefault in the pod, or process.seccomp: false in EdgeModule ${name}`;
    return failed('a seccomp filter', 'none', remedy);
  }
  return undefined;
}

function seen({ privileges }: ProcessEvidence, uid: number | undefined, gid: number | undefined): string {
  const { capabilities, noNewPrivileges, seccomp } = privileges;
  const held = capabilities.length === 0 ? 'no capabilities' : `capabilities ${capabilities.join(' ')}`;
  const escalation = noNewPrivileges ? 'no new privileges' : 'new privileges possible';
  return `${ids('running with', { uid, gid })}, ${held}, ${escalation}, seccomp ${seccomp.toLowerCase()}`;
}

function ids(
  how: string,
  { uid, gid }: { readonly uid: number | undefined; readonly gid: number | undefined },
): string {
  return `${how} uid ${uid ?? 'unmapped'}, gid ${gid ?? 'unmapped'}`;
}

/** The id in the container of one on the host; undefined where the container has no such id. */
function inside(id: number, map?: readonly IdRange[]): number | undefined {
  if (map === undefined) return id;
  const range = map.find(({ outside, length }) => id >= outside && id < outside + length);
  return range === undefined ? undefined : id - range.outside + range.inside;
}
