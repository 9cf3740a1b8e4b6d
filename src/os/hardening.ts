// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const RLIMIT_CORE = 4;

const prctl = libc('int prctl(int option, ulong value, ulong unused3, ulong unused4, ulong unused5)');
const setrlimit = libc('int setrlimit(int resource, const uint8_t *limit)');

/**
 * Keeps the memory of this process to itself: no core dump, no ptrace and no /proc/<pid>/mem by processes of the same
 * user (PR_SET_DUMPABLE 0, prctl(2)), no new privileges through exec, and files that only their owner may read.
 * Call it before the first secret is read. Throws Internal where the kernel refuses.
 */
export function hardenProcess(): void {
  process.umask(0o077);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // struct rlimit: soft and hard limit, both zero.
  setrlimit(RLIMIT_CORE, Buffer.alloc(16));
}
