// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabSettings } from './settings.ts';

/** A program of the lab that runs on after the command line has ended. */
export interface Daemon {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A process by its id and the time of its start (clock ticks after boot): together they never name another process. */
export interface ProcessRef {
  readonly pid: number;
  readonly startTime: string;
}

/** The log of a daemon: standard output and standard error, appended over restarts. */
export function logFile(settings: LabSettings, name: string): string {
  return join(settings.dir, 'log', `${name}.log`);
}

/** Starts the daemon in the lab's network namespace, in a session of its own, unless it runs already. True if it was started. */
export async function startDaemon(settings: LabSettings, daemon: Daemon): Promise<boolean> {
  if (await runningDaemon(settings, daemon.name)) return false;
  await mkdir(join(settings.dir, 'log'), { recursive: true });
  const log = openSync(logFile(settings, daemon.name), 'a');
  // nsenter replaces itself by the program, so the process id and the start time stay those of the child.
  const child = spawn('nsenter', [`--net=${settings.netns}`, '--', daemon.command, ...daemon.args], {
    cwd: settings.dir,
    detached: true,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: settings.dir, ...daemon.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  const { pid } = child;
  const startTime = pid === undefined ? undefined : processStartTime(pid);
  if (pid === undefined || startTime === undefined) throw new Error(`${daemon.name} did not start: nsenter cannot run`);
  // At once, in the same tick: a command that is killed here must leave no daemon that nobody knows of.
  writeFileSync(recordFile(settings, daemon.name), JSON.stringify({ pid, startTime } satisfies ProcessRef));
  return true;
}

/** The running process of a daemon of this lab, if there is one. */
export async function runningDaemon(settings: LabSettings, name: string): Promise<ProcessRef | undefined> {
  const text = await readFile(recordFile(settings, name), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const ref = JSON.parse(text) as ProcessRef;
  return isRunning(ref) ? ref : undefined;
}

/** Asks the daemon to end, and kills it after `patienceMs`. Harmless when it does not run. */
export async function stopDaemon(settings: LabSettings, name: string, patienceMs: number): Promise<void> {
  const ref = await runningDaemon(settings, name);
  if (ref) await endProcess(ref, patienceMs);
  await rm(recordFile(settings, name), { force: true });
}

/** Ends exactly this process; resolves when it is gone. */
export async function endProcess(ref: ProcessRef, patienceMs: number): Promise<void> {
  const killAt = performance.now() + patienceMs;
  signal(ref, 'SIGTERM');
  while (isRunning(ref)) {
    if (performance.now() > killAt) signal(ref, 'SIGKILL');
    await sleep(20);
  }
}

/** Start time of a process, in clock ticks after boot; undefined when it is gone or only waits to be reaped. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold blanks; state is the third, start time the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isRunning(ref: ProcessRef): boolean {
  return processStartTime(ref.pid) === ref.startTime;
}

function signal(ref: ProcessRef, name: NodeJS.Signals): void {
  if (!isRunning(ref)) return;
  try {
    process.kill(ref.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function recordFile(settings: LabSettings, name: string): string {
  return join(settings.dir, `${name}.pid.json`);
}
