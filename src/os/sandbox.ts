// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readlinkSync } from 'node:fs';
import { KeysteadError } from '../errors.ts';
import { libc, libcStruct } from './libc.ts';
import { architectureOf, seccompProgram, systemCall, type SystemCall } from './seccomp-filter.ts';

/**
 * `strict`: no sockets but unix ones. `network`: IP and netlink too, for token libraries that reach their HSM over the
 * network or watch USB. Both: no other program is started, no other process touched, nothing mounted. `off`: no filter.
 */
export const SANDBOX_MODES = ['strict', 'network', 'off'] as const;
export type SandboxMode = (typeof SANDBOX_MODES)[number];

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const INSTRUCTION_BYTES = 8;

/** What a process that holds keys never does after its start, and what would lead around the filter. */
const DENIED: readonly SystemCall[] = [
  // Another program in this process, with its memory gone but its descriptors open.
  'execve',
  'execveat',
  // Other processes' memory and descriptors.
  'ptrace',
  'process_vm_readv',
  'process_vm_writev',
  'pidfd_getfd',
  'perf_event_open',
  'userfaultfd',
  'bpf',
  // Other namespaces and file systems.
  'setns',
  'unshare',
  'mount',
  'umount2',
  'pivot_root',
  'chroot',
  'move_mount',
  'open_tree',
  'fsopen',
  'mount_setattr',
  'open_by_handle_at',
  // The kernel itself.
  'init_module',
  'finit_module',
  'delete_module',
  'kexec_load',
  'kexec_file_load',
  'add_key',
  'request_key',
  'keyctl',
  // A ring makes sockets without socket(2).
  'io_uring_setup',
  'io_uring_register',
];

libcStruct('sock_fprog', { len: 'uint16_t', filter: 'const uint8_t *' });
const seccomp = libc('long syscall(long number, long operation, long flags, const sock_fprog *program)');

export interface Sandbox {
  readonly mode: SandboxMode;
  /** What is less than it should be, and what to do about it. */
  readonly gap?: string;
}

/**
 * Puts a seccomp filter (seccomp(2)) on all threads of this process, for good. Call it after `hardenProcess`, which sets
 * what the kernel demands for it, and before the first secret is read or token library loaded. Throws Internal where the
 * kernel refuses, InvalidConfiguration on an architecture that is not known.
 */
export function sandboxProcess(mode: SandboxMode): Sandbox {
  if (mode === 'off') return { mode, gap: 'the sandbox is switched off' };
  const architecture = architectureOf(process.arch);
  // The event loop cannot go on without a ring that it has; a container runtime's default profile lets it have none.
  const hasRing = openDescriptors().some((target) => target.includes('io_uring'));
  const denied = hasRing ? DENIED : [...DENIED, 'io_uring_enter' as const];
  const socketFamilies = mode === 'network' ? [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] : [AF_UNIX];
  const filter = seccompProgram({ denied, socketFamilies }, architecture);
  const number = systemCall('seccomp', architecture);
  const program = { len: filter.length / INSTRUCTION_BYTES, filter };
  const failedThread = seccomp(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, program);
  if (failedThread !== 0)
    throw new KeysteadError('Internal', `seccomp: thread ${failedThread} did not take the filter`);
  const gap = "an io_uring is open, by which sockets can be made; run under the runtime's default seccomp profile";
  return hasRing ? { mode, gap } : { mode };
}

function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      // The descriptor of the listing itself.
      return '';
    }
  });
}
