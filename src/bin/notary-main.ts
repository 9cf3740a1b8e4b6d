// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { encodeUse } from '../audit/key-use.ts';
import { AuditLog } from '../audit/log.ts';
import { KeysteadError } from '../errors.ts';
import { startHealthServer, type Check } from '../health.ts';
import { createLogger, type Logger } from '../log.ts';
import { Drafting } from '../notary/drafts/drafting.ts';
import { FrontConfiguration } from '../notary/front-configuration.ts';
import { NotaryFront } from '../notary/front.ts';
import { LineOutput } from '../notary/line-output.ts';
import { NotaryMetrics } from '../notary/metrics.ts';
import { isInSamePod } from '../notary/same-pod.ts';
import { NotaryServer } from '../notary/server.ts';
import type { RelayedDevice } from '../notary/root-of-trust/opener.ts';
import { KeyOwner } from '../notary/root-of-trust/pkcs11/key-owner.ts';
import { StateFolder } from '../notary/state-folder.ts';
import type { ThreadSettings } from '../notary/threads/start.ts';
import { TokenThread, type TokenThreadOptions } from '../notary/threads/thread.ts';
import type { WatchdogLimits } from '../notary/threads/watchdog.ts';
import type { Post } from '../notary/token-threads.ts';
import { systemClock } from '../os/clock.ts';
import { endProcess } from '../os/end-process.ts';
import { FileLock } from '../os/file-lock.ts';
import { trimMemory } from '../os/malloc-trim.ts';
import { releaseMemoryAtRest } from '../os/memory.ts';
import { hardenProcess } from '../os/hardening.ts';
import { measureProgram } from '../os/program-measure.ts';
import { SANDBOX_MODES, sandboxProcess, type Sandbox, type SandboxMode } from '../os/sandbox.ts';
import manifest from '../../package.json' with { type: 'json' };

/** Log lines are written with the answers that they belong to, others at latest after this long, milliseconds. */
const OUTPUT_FLUSH_MS = 1_000;
const STANDARD_OUTPUT = 1;
/** How long the socket waits for the token at start, so that the first status tells of it. */
const RESUME_PATIENCE_MS = 3_000;
/** How long a token may take to close. */
const CLOSE_PATIENCE_MS = 3_000;
/** Callers are told of a token call that does not return after this many seconds. */
const TELL_AFTER = 15;
/** Of one thread: it holds little, and most of that for a millisecond. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

interface Settings {
  readonly socket: string;
  readonly state: string;
  readonly agentUid: number;
  readonly logLevel: string;
  readonly health: string | undefined;
  readonly sandbox: SandboxMode;
  /** After so many seconds in one call of a token the process ends itself. */
  readonly tokenTimeout: number;
  readonly relayed: RelayedDevice | undefined;
}

/** A flag wins over the environment, the environment over the default. */
function readSettings(): Settings {
  const string = { type: 'string' } as const;
  const paths = { socket: string, state: string, health: string, 'tpm-device': string, 'tpm-relay': string };
  const options = { ...paths, 'agent-uid': string, 'log-level': string, sandbox: string, 'token-timeout': string };
  const { values } = parseArgs({ options });
  const { env } = process;
  return {
    socket: values.socket ?? env['KEYSTEAD_NOTARY_SOCKET'] ?? '/run/keystead/notary.sock',
    state: values.state ?? env['KEYSTEAD_NOTARY_STATE'] ?? '/var/lib/keystead/notary',
    agentUid: uid(values['agent-uid'] ?? env['KEYSTEAD_AGENT_UID'] ?? '0'),
    logLevel: values['log-level'] ?? env['KEYSTEAD_LOG_LEVEL'] ?? 'info',
    health: values.health ?? env['KEYSTEAD_NOTARY_HEALTH'],
    sandbox: sandboxMode(values.sandbox ?? env['KEYSTEAD_NOTARY_SANDBOX'] ?? 'strict'),
    relayed: relayedDevice(values, env),
    tokenTimeout: seconds(values['token-timeout'] ?? env['KEYSTEAD_NOTARY_TOKEN_TIMEOUT'] ?? '180'),
  };
}

function seconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  const expected = 'whole seconds from 1 to 99999';
  throw new KeysteadError('InvalidConfiguration', `KEYSTEAD_NOTARY_TOKEN_TIMEOUT: expected ${expected}, found ${text}`);
}

function relayedDevice(
  values: { readonly 'tpm-device'?: string | undefined; readonly 'tpm-relay'?: string | undefined },
  env: NodeJS.ProcessEnv,
): RelayedDevice | undefined {
  const device = values['tpm-device'] ?? env['KEYSTEAD_TPM_DEVICE'];
  const path = values['tpm-relay'] ?? env['KEYSTEAD_NOTARY_TPM_RELAY'];
  return device && path ? { device, path } : undefined;
}

function limitsOf({ tokenTimeout }: Settings): WatchdogLimits {
  return { tellAfter: Math.min(TELL_AFTER, Math.ceil(tokenTimeout / 2)), endAfter: tokenTimeout };
}

function uid(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new KeysteadError('InvalidConfiguration', `KEYSTEAD_AGENT_UID: expected a user id, found ${text}`);
}

function sandboxMode(text: string): SandboxMode {
  const mode = SANDBOX_MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  const expected = SANDBOX_MODES.join(', ');
  throw new KeysteadError(
    'InvalidConfiguration',
    `KEYSTEAD_NOTARY_SANDBOX: expected one of ${expected}, found ${text}`,
  );
}

/** Root passes any mode; another agent needs the group that the socket's folder gives. */
function socketMode({ agentUid }: Settings): number {
  return agentUid === 0 || agentUid === process.getuid?.() ? 0o600 : 0o660;
}

/** Runs the notary. `entry` is the program's file, which threads are started with too. */
export async function runNotary(entry: string): Promise<void> {
  hardenProcess();
  releaseMemoryAtRest(trimMemory);
  const settings = readSettings();
  const sandbox = sandboxProcess(settings.sandbox);
  const output = new LineOutput(STANDARD_OUTPUT);
  const flush = (): void => output.flush();
  process.on('exit', flush);
  setInterval(flush, OUTPUT_FLUSH_MS).unref();
  const log = createLogger('notary', settings.logLevel, output);
  tellOfSandbox(sandbox, log);
  const program = measureProgram(entry);
  log.info({ sha256: program.sha256, files: program.files }, 'measured itself');
  const state = new StateFolder(settings.state);
  const lock = await takeState(state, log);
  KeyOwner.prepare(state);
  const metrics = new NotaryMetrics();
  const audit = new AuditLog({ folder: settings.state, clock: systemClock, version: manifest.version });
  const give = (why: KeysteadError | Error): never => {
    log.fatal({ err: why.message }, 'ends itself, to be started anew');
    flush();
    return endProcess(1);
  };
  const write = (lines: string): void => output.write(lines);
  const parts = { limits: limitsOf(settings), log, metrics, write, lost: give };
  const startThread = ({ place, role }: Post): TokenThread =>
    startTokenThread(entry, { ...settings, program: program.sha256, role }, { ...parts, place });
  const configuration = new FrontConfiguration({ state, log, startThread });
  const drafting = new Drafting({ clock: systemClock, encodeUse, log });
  const front = new NotaryFront({
    ...{ configuration, audit, drafting, metrics, version: manifest.version, programSha256: program.sha256 },
    handOver: () =>
      void stop().then((all) =>
        all ? log.info('handed over') : give(new Error('a token call did not return in time')),
      ),
  });
  const server = new NotaryServer({
    path: settings.socket,
    mode: socketMode(settings),
    callerUid: settings.agentUid,
    isInSamePod,
    handle: (request, asker) => front.handle(request, asker),
    metrics,
    log,
    commit: () => {
      audit.commit();
      flush();
    },
  });
  await Promise.race([configuration.resume(), sleep(RESUME_PATIENCE_MS)]);
  await server.listen();
  // Not before: the files may still belong to the notary that listens there.
  tellOfAudit(audit, log);
  if (settings.health !== undefined) await serveHealth(settings.health, front);
  log.info({ socket: settings.socket, version: manifest.version }, 'listening');
  let stopped: Promise<boolean> | undefined;
  const stop = (): Promise<boolean> => (stopped ??= end({ server, configuration, audit, lock }));
  stopOnSignal({ log, flush }, stop);
}

/** Two at a time would write one audit log and count one PIN: at an upgrade the next notary waits for the one before. */
async function takeState({ path }: StateFolder, log: Logger): Promise<FileLock | undefined> {
  const waiting = (): void => log.info({ state: path }, 'waiting for the notary that has this state');
  return FileLock.take(join(path, 'lock'), new AbortController().signal, waiting);
}

interface Ending {
  readonly server: NotaryServer;
  readonly configuration: FrontConfiguration;
  readonly audit: AuditLog;
  readonly lock: FileLock | undefined;
}

/** Gives whether all threads have ended. */
async function end({ server, configuration, audit, lock }: Ending): Promise<boolean> {
  await server.close();
  const closed = configuration.close().then(() => true);
  const all = await Promise.race([closed, sleep(CLOSE_PATIENCE_MS, false)]);
  audit.close();
  // A thread that hangs may write when it comes back: then the state is the next one's when this process has ended.
  if (all) lock?.release();
  return all;
}

interface ThreadParts extends Omit<TokenThreadOptions, 'line' | 'opening'> {
  readonly metrics: NotaryMetrics;
}

/** Starts this same program as the thread of a root of trust. */
function startTokenThread(
  entry: string,
  { state, logLevel, program, role, relayed }: ThreadSettings,
  { metrics, ...parts }: ThreadParts,
): TokenThread {
  const workerData: ThreadSettings = { state, logLevel, program, role, relayed };
  const worker = new Worker(entry, { workerData, env: {}, resourceLimits: THREAD_LIMITS });
  const { lost } = parts;
  worker.on('error', (error) => lost(new KeysteadError('Internal', `the thread of ${parts.place} failed: ${error}`)));
  return new TokenThread({
    ...parts,
    line: worker,
    opening: (result) => metrics.tokenOpenings.inc({ result }),
  });
}

function tellOfSandbox({ mode, gap }: Sandbox, log: Logger): void {
  if (gap === undefined) log.info({ mode }, 'sandboxed');
  else log.warn({ mode, gap }, 'sandboxed with a gap');
}

/** Opens the audit log. Where that fails the notary goes on, refuses to issue, and tries again. */
function tellOfAudit(audit: AuditLog, log: Logger): void {
  const { records, head, failure } = audit.state();
  if (failure) log.error({ code: failure.code, err: failure.message }, 'cannot issue');
  else log.info({ records, head }, 'audit log open');
}

async function serveHealth(path: string, front: NotaryFront): Promise<void> {
  const checks = (): Check[] => {
    const { ready, reason, message } = front.status();
    return [{ name: 'root-of-trust', ok: ready, ...(reason && { reason }), ...(message && { message }) }];
  };
  await startHealthServer({ listen: { path }, checks, metrics: () => Promise.resolve(front.metrics()) });
}

/** `stop` gives whether all threads have ended. */
function stopOnSignal({ log, flush }: { log: Logger; flush: () => void }, stop: () => Promise<boolean>): void {
  const exit = (status: number, all: boolean): void => {
    flush();
    // process.exit waits for threads, and one that hangs in a library never ends.
    if (all) process.exit(status);
    else endProcess(status);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      void stop().then(
        (all) => exit(0, all),
        (error: unknown) => {
          log.error({ err: String(error) }, 'stopped with an error');
          exit(1, false);
        },
      );
    });
  }
}
