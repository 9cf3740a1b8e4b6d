// SPDX-License-Identifier: Apache-2.0
import { createLogger } from '../../log.ts';
import { systemClock } from '../../os/clock.ts';
import { withLog, type EncodeUse } from '../audit.ts';
import { RootOpener, type RelayedDevice } from '../root-of-trust/opener.ts';
import { ModuleThreadService } from '../module-thread-service.ts';
import { NotaryService } from '../service.ts';
import type { Role } from '../share.ts';
import { StateFolder } from '../state-folder.ts';
import { trimMemory } from '../../os/malloc-trim.ts';
import { releaseMemoryAtRest } from '../../os/memory.ts';
import type { FromThread, ThreadLine, ToThread } from './messages.ts';
import { HeldBackUse } from './performer.ts';
import { TokenWorker } from './worker.ts';

/** What a thread is started with; crosses to it by structured clone. */
export interface ThreadSettings {
  readonly state: string;
  readonly logLevel: string;
  /** SHA-256 of this program, hexadecimal. */
  readonly program: string;
  readonly role: Role;
  readonly relayed?: RelayedDevice | undefined;
}

/** Log lines are passed on with the answers that they belong to, others at latest after this long, milliseconds. */
const LOG_FLUSH_MS = 500;

/** Runs the thread of a root of trust on its end of the line; `end` is called when it has been told to close and has. */
export function runTokenThread(
  line: ThreadLine<ToThread, FromThread>,
  settings: ThreadSettings,
  parts: { readonly encodeUse: EncodeUse; readonly end: () => void },
): void {
  releaseMemoryAtRest(trimMemory);
  let held = '';
  const log = createLogger('notary', settings.logLevel, { write: (text: string) => void (held += text) });
  const flush = (): void => {
    if (held === '') return;
    line.postMessage({ kind: 'log', lines: held });
    held = '';
  };
  const flushing = setInterval(flush, LOG_FLUSH_MS);
  const state = new StateFolder(settings.state);
  const roots = new RootOpener({ state, log, relayed: settings.relayed });
  const uses = new HeldBackUse(parts.encodeUse);
  const Service = settings.role === 'Modules' ? ModuleThreadService : NotaryService;
  const service = new Service({
    openRoot: (root) => roots.open(root),
    openAttester: (place) => roots.openAttester(place),
    program: Buffer.from(settings.program, 'hex'),
    state,
    clock: systemClock,
    log,
    uses: withLog(uses, log),
    opening: (result) => line.postMessage({ kind: 'opening', result }),
    changed: () => worker.tellStatus(),
  });
  const worker = new TokenWorker({
    line,
    service,
    uses,
    flush,
    end: () => {
      clearInterval(flushing);
      roots.close();
      flush();
      parts.end();
    },
  });
}
