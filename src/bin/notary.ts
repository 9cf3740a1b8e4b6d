// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { AuditLog } from '../audit/log.ts';
import { KeysteadError } from '../errors.ts';
import { startHealthServer, type Check } from '../health.ts';
import { createLogger, type Logger } from '../log.ts';
import { auditInAll, logAudit } from '../notary/audit.ts';
import { LineOutput } from '../notary/line-output.ts';
import { NotaryMetrics } from '../notary/metrics.ts';
import { RootOpener } from '../notary/root-of-trust/opener.ts';
import { isInSamePod } from '../notary/same-pod.ts';
import { NotaryServer } from '../notary/server.ts';
import { NotaryService } from '../notary/service.ts';
import { StateFolder } from '../notary/state-folder.ts';
import { systemClock } from '../os/clock.ts';
import { hardenProcess } from '../os/hardening.ts';
import { SANDBOX_MODES, sandboxProcess, type Sandbox, type SandboxMode } from '../os/sandbox.ts';
import manifest from '../../package.json' with { type: 'json' };

/** Log lines are written with the answers that they belong to, others at latest after this long, milliseconds. */
const OUTPUT_FLUSH_MS = 1_000;
const STANDARD_OUTPUT = 1;

interface Settings {
  readonly socket: string;
  readonly state: string;
  readonly agentUid: number;
  readonly logLevel: string;
  readonly health: string | undefined;
  readonly sandbox: SandboxMode;
}

/** A flag wins over the environment, the environment over the default. */
function readSettings(): Settings {
  const string = { type: 'string' } as const;
  const paths = { socket: string, state: string, health: string };
  const options = { ...paths, 'agent-uid': string, 'log-level': string, sandbox: string };
  const { values } = parseArgs({ options });
  const { env } = process;
  return {
    socket: values.socket ?? env['KEYSTEAD_NOTARY_SOCKET'] ?? '/run/keystead/notary.sock',
    state: values.state ?? env['KEYSTEAD_NOTARY_STATE'] ?? '/var/lib/keystead/notary',
    agentUid: uid(values['agent-uid'] ?? env['KEYSTEAD_AGENT_UID'] ?? '0'),
    logLevel: values['log-level'] ?? env['KEYSTEAD_LOG_LEVEL'] ?? 'info',
    health: values.health ?? env['KEYSTEAD_NOTARY_HEALTH'],
    sandbox: sandboxMode(values.sandbox ?? env['KEYSTEAD_NOTARY_SANDBOX'] ?? 'strict'),
  };
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

async function main(): Promise<void> {
  hardenProcess();
  const settings = readSettings();
  const sandbox = sandboxProcess(settings.sandbox);
  const output = new LineOutput(STANDARD_OUTPUT);
  const flush = (): void => output.flush();
  process.on('exit', flush);
  setInterval(flush, OUTPUT_FLUSH_MS).unref();
  const log = createLogger('notary', settings.logLevel, output);
  tellOfSandbox(sandbox, log);
  const state = new StateFolder(settings.state);
  const roots = new RootOpener({ state, log });
  const metrics = new NotaryMetrics();
  const auditLog = new AuditLog({ folder: settings.state, clock: systemClock, version: manifest.version });
  const audit = auditInAll(auditLog, logAudit(log, flush));
  const service = new NotaryService({
    openRoot: (settings) => roots.open(settings),
    state,
    clock: systemClock,
    log,
    metrics,
    audit,
    version: manifest.version,
  });
  const server = new NotaryServer({
    path: settings.socket,
    mode: socketMode(settings),
    callerUid: settings.agentUid,
    isInSamePod,
    service,
    metrics,
    log,
    commit: () => service.commit(),
  });
  await server.listen();
  // Not before: the files may still belong to the notary that listens there.
  tellOfAudit(auditLog, log);
  if (settings.health !== undefined) await serveHealth(settings.health, service);
  log.info({ socket: settings.socket, version: manifest.version }, 'listening');
  stopOnSignal(log, async () => {
    await server.close();
    service.close();
    roots.close();
    auditLog.close();
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

async function serveHealth(path: string, service: NotaryService): Promise<void> {
  const checks = (): Check[] => {
    const { ready, reason, message } = service.status();
    return [{ name: 'root-of-trust', ok: ready, ...(reason && { reason }), ...(message && { message }) }];
  };
  await startHealthServer({ listen: { path }, checks, metrics: () => Promise.resolve(service.metrics()) });
}

function stopOnSignal(log: Logger, stop: () => Promise<void>): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      void stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: String(error) }, 'stopped with an error');
          process.exit(1);
        },
      );
    });
  }
}

try {
  await main();
} catch (error) {
  createLogger('notary').fatal({ err: error instanceof Error ? error.message : String(error) }, 'cannot start');
  process.exitCode = 1;
}
