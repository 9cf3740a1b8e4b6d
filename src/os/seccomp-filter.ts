// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** What a filter refuses, and which sockets it still lets through. All else is allowed. */
export interface SeccompPolicy {
  /** System calls refused with EPERM, by name. */
  readonly denied: readonly SystemCall[];
  /** Address families for which socket(2) and socketpair(2) are allowed, see address_families(7). */
  readonly socketFamilies: readonly number[];
}

/** Numbers by architecture, as process.arch names it: x64 (arch/x86/entry/syscalls/syscall_64.tbl), arm64 (asm-generic/unistd.h). */
const NUMBERS = {
  add_key: { x64: 248, arm64: 217 },
  bpf: { x64: 321, arm64: 280 },
  chroot: { x64: 161, arm64: 51 },
  clone: { x64: 56, arm64: 220 },
  clone3: { x64: 435, arm64: 435 },
  delete_module: { x64: 176, arm64: 106 },
  execve: { x64: 59, arm64: 221 },
  execveat: { x64: 322, arm64: 281 },
  finit_module: { x64: 313, arm64: 273 },
  fsopen: { x64: 430, arm64: 430 },
  init_module: { x64: 175, arm64: 105 },
  io_uring_enter: { x64: 426, arm64: 426 },
  io_uring_register: { x64: 427, arm64: 427 },
  io_uring_setup: { x64: 425, arm64: 425 },
  kexec_file_load: { x64: 320, arm64: 294 },
  kexec_load: { x64: 246, arm64: 104 },
  keyctl: { x64: 250, arm64: 219 },
  mount: { x64: 165, arm64: 40 },
  mount_setattr: { x64: 442, arm64: 442 },
  move_mount: { x64: 429, arm64: 429 },
  open_by_handle_at: { x64: 304, arm64: 265 },
  open_tree: { x64: 428, arm64: 428 },
  perf_event_open: { x64: 298, arm64: 241 },
  pidfd_getfd: { x64: 438, arm64: 438 },
  pivot_root: { x64: 155, arm64: 41 },
  process_vm_readv: { x64: 310, arm64: 270 },
  process_vm_writev: { x64: 311, arm64: 271 },
  ptrace: { x64: 101, arm64: 117 },
  request_key: { x64: 249, arm64: 218 },
  seccomp: { x64: 317, arm64: 277 },
  setns: { x64: 308, arm64: 268 },
  socket: { x64: 41, arm64: 198 },
  socketpair: { x64: 53, arm64: 199 },
  umount2: { x64: 166, arm64: 39 },
  unshare: { x64: 272, arm64: 97 },
  userfaultfd: { x64: 323, arm64: 282 },
} as const;

export type SystemCall = keyof typeof NUMBERS;

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 (linux/audit.h). */
const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
export type Architecture = keyof typeof AUDIT_ARCH;

/** Number of a system call on this architecture. */
export function systemCall(name: SystemCall, architecture: Architecture): number {
  return NUMBERS[name][architecture];
}

/** Throws InvalidConfiguration for an architecture whose system calls are not in the table. */
export function architectureOf(arch: string): Architecture {
  if (arch === 'x64' || arch === 'arm64') return arch;
  const remedy = 'switch the sandbox off there (KEYSTEAD_NOTARY_SANDBOX=off)';
  throw new KeysteadError('InvalidConfiguration', `sandbox: expected x64 or arm64, found ${arch}; ${remedy}`);
}

/** Classic BPF (linux/bpf_common.h, linux/filter.h). */
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_ABOVE_OR_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
/** struct seccomp_data: nr, arch, instruction pointer, six arguments of 64 bits; little-endian on both architectures. */
const OFFSET = { number: 0, architecture: 4, firstArgument: 16 } as const;
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const REFUSE = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
/** System calls of the x32 interface, which have numbers of their own on x64. */
const X32_BIT = 0x40000000;
/** CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h). */
const CLONE_NEW = 0x7e020080;

type Instruction = readonly [code: number, k: number, ifTrue?: number, ifFalse?: number];

/**
 * The filter as an array of struct sock_filter, for seccomp(2). `clone3`, whose flags a filter cannot see, is answered as
 * if the kernel did not have it: the C library then falls back to clone. Pure.
 */
export function seccompProgram(policy: SeccompPolicy, architecture: Architecture): Buffer {
  const number = (name: SystemCall): number => systemCall(name, architecture);
  const program: Instruction[] = [
    [LOAD_WORD, OFFSET.architecture],
    // Calls by another architecture's numbers would pass for harmless ones.
    [JUMP_EQUAL, AUDIT_ARCH[architecture], 1, 0],
    [RETURN, KILL_PROCESS],
    [LOAD_WORD, OFFSET.number],
    ...when(JUMP_ABOVE_OR_EQUAL, X32_BIT, REFUSE | EPERM),
    ...policy.denied.flatMap((name) => when(JUMP_EQUAL, number(name), REFUSE | EPERM)),
    ...when(JUMP_EQUAL, number('clone3'), REFUSE | ENOSYS),
    ...within(number('clone'), [...when(JUMP_ANY_BIT, CLONE_NEW, REFUSE | EPERM), [RETURN, ALLOW]]),
    ...within(number('socket'), families(policy)),
    ...within(number('socketpair'), families(policy)),
    [RETURN, ALLOW],
  ];
  return Buffer.concat(program.map(encode));
}

function when(condition: number, k: number, verdict: number): Instruction[] {
  return [
    [condition, k, 0, 1],
    [RETURN, verdict >>> 0],
  ];
}

/** Looks at the first argument of one system call; `body` must end with a RETURN. */
function within(number: number, body: readonly Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, number, 0, body.length + 1], [LOAD_WORD, OFFSET.firstArgument], ...body];
}

function families({ socketFamilies }: SeccompPolicy): Instruction[] {
  return [...socketFamilies.flatMap((family) => when(JUMP_EQUAL, family, ALLOW)), [RETURN, REFUSE | EPERM]];
}

/** struct sock_filter: code (16 bits), jump offsets if true and if false (8 bits each), k (32 bits). */
function encode([code, k, ifTrue = 0, ifFalse = 0]: Instruction): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeUInt16LE(code, 0);
  octets.writeUInt8(ifTrue, 2);
  octets.writeUInt8(ifFalse, 3);
  octets.writeUInt32LE(k >>> 0, 4);
  return octets;
}
