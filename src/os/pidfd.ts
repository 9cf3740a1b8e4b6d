// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { errnoOf } from './files.ts';
import { libc } from './libc.ts';

/** Numbers of pidfd_open(2) and pidfd_send_signal(2), the same on every architecture that Linux 5.3 and later runs on. */
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_SEND_SIGNAL = 424;
const POLLIN = 1;
/** Size of `struct pollfd`: int fd, short events, short revents. */
const POLLFD_BYTES = 8;
/**
 * How often exits are looked for, in milliseconds. One poll(2) over all watched pidfds; 200 of them take some 20 µs, with
 * all that a wake-up costs 0.14 % of a busy core.
 * libuv cannot wait on a pidfd, and a thread of its own that does costs more memory than this costs time.
 */
const WATCH_INTERVAL = 200;

const syscall = libc('long syscall(long number, long pid, long flags)');
const sendSignal = libc('long syscall(long number, long pidfd, long signal, void *info, long flags)');
const pollOnce = libc('int poll(void *fds, unsigned long count, int timeout)');

/** A handle on one process that no reuse of its pid can turn into another. Close it when it is of no more use. */
export class Pidfd implements Disposable {
  readonly pid: number;
  readonly fd: number;
  #open = true;

  /** Takes over an open pidfd, for example from SO_PEERPIDFD; `fd` is closed with this object. */
  constructor(pid: number, fd: number) {
    this.pid = pid;
    this.fd = fd;
  }

  /** Whether the process still runs: not exited, not a zombie. False once closed. */
  alive(): boolean {
    if (!this.#open) return false;
    one.writeInt32LE(this.fd, 0);
    return poll(one, 1) === 0;
  }

  /** Sends a signal, by its number; false where the process has ended. */
  signal(number: number): boolean {
    try {
      sendSignal(SYS_PIDFD_SEND_SIGNAL, this.fd, number, null, 0);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return false;
      throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    // Before the number of the descriptor can belong to something else.
    unwatch(this);
    closeSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a pidfd of a process (not of a single thread). Undefined where there is no such process.
 * Throws `Internal` otherwise, for example when the limit of open files is reached.
 */
export function openPidfd(pid: number): Pidfd | undefined {
  try {
    return new Pidfd(pid, syscall(SYS_PIDFD_OPEN, pid, 0));
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** Asks, without waiting, how many of the entries have an event. */
function poll(entries: Buffer, count: number): number {
  for (;;) {
    try {
      return pollOnce(entries, count, 0);
    } catch (error) {
      // A signal came between.
      if (errnoOf(error) !== 'EINTR') throw error;
    }
  }
}

/** Input of poll(2): wait for any event of these. */
function pollEntries(pidfds: readonly Pidfd[]): Buffer {
  const entries = Buffer.alloc(pidfds.length * POLLFD_BYTES);
  pidfds.forEach((pidfd, index) => {
    entries.writeInt32LE(pidfd.fd, index * POLLFD_BYTES);
    entries.writeInt16LE(POLLIN, index * POLLFD_BYTES + 4);
  });
  return entries;
}

/** What `alive` asks with: an allocation would cost more than the call. */
const one = Buffer.alloc(POLLFD_BYTES);
one.writeInt16LE(POLLIN, 4);

/** Callbacks by pidfd, in the order in which they are called. */
const watched = new Map<Pidfd, Set<() => void>>();
/** What the timer polls; undefined where `watched` has changed since. */
let polled: { readonly pidfds: readonly Pidfd[]; readonly entries: Buffer } | undefined;
let timer: NodeJS.Timeout | undefined;

/**
 * Calls `onExit` once, within about 200 ms after the process has ended (also when it had ended before), never from
 * within this call. The pidfd stays the caller's to close; closing it ends the watch without a call. Watching does not
 * keep this program alive. Returns a function that ends the watch.
 */
export function watchExit(pidfd: Pidfd, onExit: () => void): () => void {
  // A callback of its own for each watch, so that one function may watch twice.
  const callback = (): void => onExit();
  const callbacks = watched.get(pidfd);
  if (callbacks === undefined) {
    watched.set(pidfd, new Set([callback]));
    polled = undefined;
  } else callbacks.add(callback);
  timer ??= setInterval(sweep, WATCH_INTERVAL).unref();
  return () => {
    const others = watched.get(pidfd);
    others?.delete(callback);
    if (others?.size === 0) unwatch(pidfd);
  };
}

function unwatch(pidfd: Pidfd): void {
  if (!watched.delete(pidfd)) return;
  polled = undefined;
  if (watched.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

function sweep(): void {
  if (polled === undefined) {
    const pidfds = [...watched.keys()];
    polled = { pidfds, entries: pollEntries(pidfds) };
  }
  const { pidfds, entries } = polled;
  if (poll(entries, pidfds.length) === 0) return;
  // Any event counts, POLLNVAL too: a handle that cannot be trusted to be open is no proof of life.
  const ended = pidfds.filter((_, index) => entries.readInt16LE(index * POLLFD_BYTES + 6) !== 0);
  const callbacks = ended.flatMap((pidfd) => [...(watched.get(pidfd) ?? [])]);
  ended.forEach(unwatch);
  // queueMicrotask: what one callback throws surfaces as its own uncaught error and keeps no other from being called.
  callbacks.forEach((callback) => queueMicrotask(callback));
}
