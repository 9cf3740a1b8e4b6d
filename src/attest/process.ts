// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';
import { capabilityNames } from '../os/capabilities.ts';
import { openPidfd } from '../os/pidfd.ts';
import { parseStatus } from '../os/proc-status.ts';
import { parseStart } from '../os/proc-format.ts';
import { ProcessGone, procFileStatus, readProc, whileThere } from '../os/proc.ts';
import { programThread } from '../os/program-thread.ts';
import { kubepodsRoot, parseCgroup, type CgroupOrigin } from './cgroup.ts';
import { codeOrigin, type CodeFile } from './code-origin.ts';
import { ExecutableHashes, type ExecutableHash } from './executable-hash.ts';
import { readIncarnation } from './incarnation.ts';
import { lineageOf } from './lineage.ts';
import { loaderVariables } from './loader-variables.ts';
import { mappedCode } from './mappings.ts';
import { mountPoints } from './mount-points.ts';
import { namespacesOf } from './namespaces.ts';
import type { MappingEvidence, ProcessEvidence } from './port.ts';
import { whyNotToRead } from './readable-mount.ts';
import { processStrings } from './process-strings.ts';
import {
  NODE_FILES,
  RootFileSystems,
  type NodeFiles,
  type RootFileSystem,
  type Untraceable,
} from './root-file-system.ts';
import { scriptOrigin } from './script.ts';
import { unitOf } from './unit.ts';

export interface MeterOptions {
  /** Where the host's root directory is seen. Default `/proc/1/root`, for a program in the host's pid namespace. */
  readonly hostRoot?: string;
  /** mountinfo of a process in the container runtime's mount namespace. Default `/proc/1/mountinfo`. */
  readonly hostMounts?: string;
  /** Executables larger than this are not hashed. Default 1 GiB. */
  readonly hashLimitBytes?: number;
  /** Cgroup that holds `kubepods`, without a slash at its end. Default: where this program's own pod lies, else the root. */
  readonly kubepodsRoot?: string;
}

/** Attempts to see a process between two execs. Who starts in a container executes several programs at once. */
const ATTEMPTS = 4;
/**
 * In the midst of execve(2) a process has its program and no command line yet; on a busy node it stays there for a while.
 * Milliseconds between looks at one without; some never have any.
 */
const EXECVE_WAITS = [1, 4, 16];

/** Measures processes. Needs CAP_SYS_PTRACE, CAP_SYS_ADMIN and the host's pid namespace. */
export class ProcessMeter {
  readonly #roots: RootFileSystems;
  readonly #hashes: ExecutableHashes;
  readonly #kubepodsRoot: string;

  constructor(options: MeterOptions = {}) {
    this.#roots = new RootFileSystems(options.hostRoot ?? '/proc/1/root', options.hostMounts ?? '/proc/1/mountinfo');
    this.#hashes = new ExecutableHashes(options.hashLimitBytes ?? 2 ** 30);
    this.#kubepodsRoot = options.kubepodsRoot ?? kubepodsRoot(readProc(process.pid, 'cgroup'));
  }

  /**
   * Measures process `pid`. `init` is the host pid of its container's first process as the *runtime* knows it; without
   * it `pid` must be that process. Undefined where the process has ended or has no program. An exec during the measure
   * is tried again a few times; then the evidence says that executable and code could not be told.
   * A caller who learnt the pid from elsewhere must hold a pidfd of it since then, and check it afterwards.
   */
  async measure(pid: number, init = pid): Promise<ProcessEvidence | undefined> {
    // First of all the pidfd: all that is read before it is checked again is then of one and the same process.
    const pidfd = openPidfd(pid);
    if (pidfd === undefined) return undefined;
    try {
      let evidence: ProcessEvidence | undefined;
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const taken = await this.#take({ pid, init });
        if (!pidfd.alive()) return undefined;
        evidence = taken?.evidence ?? evidence;
        if (taken?.steady !== true) continue;
        const wait = taken.evidence.argv.length === 0 ? EXECVE_WAITS[attempt - 1] : undefined;
        if (wait === undefined) return taken.evidence;
        await setTimeout(wait);
      }
      return evidence === undefined ? undefined : withoutCode(evidence);
    } finally {
      pidfd.close();
    }
  }

  /** A process whose first thread has ended is looked at by another of its threads: it lives as much as before. */
  async #take(whom: Looked): Promise<{ evidence: ProcessEvidence; steady: boolean } | undefined> {
    try {
      const [pid, init] = threadsToLookAt(whom);
      const { incarnation } = readIncarnation(pid);
      const cgroup = readProc(pid, 'cgroup');
      const origin = parseCgroup(cgroup, this.#kubepodsRoot);
      const unit = unitOf(cgroup);
      const namespaces = namespacesOf(pid, init);
      const root = this.#rootFor(pid, init, { origin, unit }, namespaces.ownNamespaces ?? []);
      const executable = codeOrigin(pid, 'exe', root);
      const { files, anonymousBytes } = mappedCode(pid, root);
      const { argv, environment } = processStrings(pid);
      const script = scriptOrigin({ pid, init, executable: executable.path, argv }, root);
      const asEvidence = mountPoints(init);
      const hash = await this.#hash(pid, executable);
      const evidence: ProcessEvidence = {
        ...whom,
        startTime: parseStart(readProc(whom.pid, 'stat')).startTime,
        incarnation,
        ...inContainer(origin),
        ...(unit !== undefined && { unit }),
        ...credentials(readProc(pid, 'status')),
        ...namespaces,
        executable: { path: executable.path, ...hash },
        mappings: distinct([executable, ...files].map(asEvidence)),
        lineage: lineageOf(whom.pid, whom.init),
        argv,
        ...(script && { script: asEvidence(script) }),
        anonymousCodeBytes: anonymousBytes,
        loaderVariables: loaderVariables(environment),
      };
      return { evidence, steady: readIncarnation(pid).incarnation === incarnation };
    } catch (error) {
      if (error instanceof ProcessGone) return undefined;
      throw error;
    }
  }

  #rootFor(
    pid: number,
    init: number,
    { origin, unit }: { readonly origin: CgroupOrigin; readonly unit: string | undefined },
    ownNamespaces: readonly string[],
  ): RootFileSystem | Untraceable | NodeFiles {
    if (ownNamespaces.includes('mount')) {
      return { origin: 'foreign', problem: 'the process has a mount namespace of its own' };
    }
    const containerId = 'problem' in origin ? undefined : origin.containerId;
    if (pid === init && unit !== undefined && containerId === undefined) return NODE_FILES;
    if (pid !== init) {
      const initOrigin = parseCgroup(readProc(init, 'cgroup'), this.#kubepodsRoot);
      const initContainer = 'problem' in initOrigin ? undefined : initOrigin.containerId;
      if (initContainer !== containerId) {
        return {
          origin: 'foreign',
          problem: `process ${init}, said to be its container's first, is not in its cgroup`,
        };
      }
    }
    return this.#roots.of(init, containerId);
  }

  async #hash(pid: number, executable: CodeFile): Promise<ExecutableHash> {
    const status = executable.status ?? procFileStatus(pid, 'exe');
    const unread = executable.origin === 'image' ? undefined : whyNotToRead(pid, status);
    if (unread !== undefined) return { sha256: '', problem: unread };
    return whileThere(pid, this.#hashes.of(`/proc/${pid}/exe`, status, executable.layerFile));
  }
}

/** A process, and the first one of its container. */
type Looked = Required<Pick<ProcessEvidence, 'pid' | 'init'>>;

function threadsToLookAt({ pid, init }: Looked): [number, number] {
  const thread = programThread(pid);
  return [thread, init === pid ? thread : programThread(init)];
}

function inContainer(origin: CgroupOrigin): Partial<ProcessEvidence> {
  return 'problem' in origin ? { containerProblem: origin.problem } : origin;
}

function credentials(text: string): Pick<ProcessEvidence, 'uid' | 'gid' | 'mixedIds' | 'privileges'> {
  const { uids, gids, groups, permitted, noNewPrivileges, seccomp, tracer } = parseStatus(text);
  // The effective ids, by which the kernel judges.
  const [uid = -1, gid = -1] = [uids[1], gids[1]];
  const privileges = {
    groups,
    capabilities: capabilityNames(permitted),
    noNewPrivileges,
    seccomp,
    ...(tracer !== 0 && { tracer }),
  };
  return { uid, gid, mixedIds: uids.some((id) => id !== uid) || gids.some((id) => id !== gid), privileges };
}

/** Each file once. Two files of one path (one of them deleted, or under another mount) stay two. */
function distinct(code: readonly MappingEvidence[]): MappingEvidence[] {
  const files = new Map<string, MappingEvidence>();
  for (const file of code) {
    const key = `${file.origin} ${file.path}`;
    // Only a mapping tells of changed pages, not the executable itself.
    files.set(key, { ...files.get(key), ...file });
  }
  return [...files.values()];
}

/** For a process that is never found in the same program twice: what was read may belong to either. */
function withoutCode(evidence: ProcessEvidence): ProcessEvidence {
  const problem = 'the process ran another program while it was measured';
  const { path } = evidence.executable;
  return {
    ...evidence,
    executable: { path, sha256: '', problem },
    mappings: [{ path, origin: 'unprovable', detail: problem }],
  };
}
