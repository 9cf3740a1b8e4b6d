// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { asKeysteadError } from '../errors.ts';
import { startHealthServer, type Check } from '../health.ts';
import { allSynced, Events, KubeClient, LeaderElection, type Controller } from '../kube/index.ts';
import { createLogger, type Logger } from '../log.ts';
import { releaseMemoryAtRest } from '../os/memory.ts';
import { controllerCaches, each, type ControllerCaches } from './controller/caches.ts';
import { controllerConfiguration, type ControllerConfiguration } from './controller/configuration.ts';
import { ControllerMetrics } from './controller/metrics.ts';
import { reconcilers, type Reconcilers } from './controller/reconcilers.ts';
import { connect, enqueueAll } from './controller/triggers.ts';

/** Runs the controller until the signal is aborted. All candidates keep their caches warm; the leader alone writes. */
async function run(configuration: ControllerConfiguration, log: Logger, signal: AbortSignal): Promise<void> {
  const client = await KubeClient.fromEnvironment(process.env);
  const instance = configuration.instance ?? hostname();
  const events = new Events({ client, log, controller: 'keystead.dev/controller', instance });
  const caches = controllerCaches(client, log);
  const leader = new LeaderElection({
    client,
    log,
    namespace: configuration.namespace ?? client.namespace,
    name: configuration.lease,
    // A process that was restarted must wait for its predecessor's lease like any other.
    identity: `${instance}_${randomBytes(4).toString('hex')}`,
  });
  const metrics: ControllerMetrics = new ControllerMetrics({
    leading: () => leader.leading,
    depths: () => Object.fromEntries(all(work).map((controller) => [controller.name, controller.depth])),
    cached: () => Object.fromEntries(each(caches).map((cache) => [cache.resource.kind, cache.size])),
  });
  const work: Reconcilers = reconcilers({ client, log, events, caches, observer: metrics, configuration });
  connect(caches, work);
  const health = await startHealthServer({
    listen: { port: configuration.healthPort },
    checks: () => checks(caches),
    metrics: () => metrics.registry.metrics(),
  });
  log.info({ instance, port: configuration.healthPort }, 'controller started');

  // The caches outlive the leading, so that the last writes are made with their eyes open.
  const watching = new AbortController();
  const following = each(caches).map((cache) => cache.run(watching.signal));
  try {
    await allSynced(each(caches), signal);
    await leader.run(signal, async (term) => {
      enqueueAll(caches, work);
      const bundle = configuration.trustBundle?.metadata.name;
      if (bundle !== undefined) work.defaultBundle?.enqueue(bundle);
      await Promise.all(all(work).map((controller) => controller.run(term)));
    });
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    watching.abort();
    await Promise.all(following);
    await events.drain();
    health.close();
    health.closeAllConnections();
    client.close();
  }
}

function all(work: Reconcilers): Controller[] {
  return Object.values(work as unknown as Record<string, Controller | undefined>).filter((each) => each !== undefined);
}

/** Ready means that it could lead; that the API server is away does not make it less able. */
function checks(caches: ControllerCaches): Check[] {
  return each(caches).map(({ resource, hasSynced, lastError }) => ({
    name: `cache-${resource.plural}`,
    ok: hasSynced,
    reason: 'NotSynced',
    message: lastError?.message ?? 'the first list has not come yet',
  }));
}

const stopping = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopping.abort(new Error(name)));
let log = createLogger('controller');
releaseMemoryAtRest();
try {
  const configuration = await controllerConfiguration(process.env);
  log = createLogger('controller', configuration.logLevel);
  await run(configuration, log, stopping.signal);
  log.info('controller ended');
} catch (error) {
  const { code, message } = asKeysteadError(error);
  log.fatal({ code, err: message }, 'controller ended');
  process.exitCode = 1;
}
