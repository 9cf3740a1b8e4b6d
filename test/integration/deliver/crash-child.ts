// SPDX-License-Identifier: Apache-2.0
/**
 * Lives one volume's life, from publish to unpublish, and kills itself before its n-th change of anything outside of
 * the process: `node crash-child.ts <node folder> <credentials file> <n>`. Prints how many there were if it survives.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { pino } from 'pino';
import type { Credentials } from '../../../src/deliver/port.ts';

const [root = '', credentialsFile = '', fatal = '0'] = process.argv.slice(2);
const pairs = JSON.parse(fs.readFileSync(credentialsFile, 'utf8')) as [Credentials, Credentials];
const request = JSON.parse(fs.readFileSync(`${root}/request.json`, 'utf8')) as never;
let changes = 0;

/** The same function, but the process may die before it does anything. */
function mortal<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    changes += 1;
    if (changes === Number(fatal)) process.kill(process.pid, 'SIGKILL');
    return call(...args);
  };
}

const SYNC = ['chmodSync', 'fchmodSync', 'fchownSync', 'linkSync', 'mkdirSync', 'mkdtempSync', 'openSync'] as const;
const MORE = ['renameSync', 'rmSync', 'rmdirSync', 'symlinkSync', 'writeFileSync'] as const;
const ASYNC = ['mkdir', 'open', 'rename', 'unlink'] as const;
const wrap = (module: object, names: readonly string[]): void => {
  const functions = module as Record<string, (...args: unknown[]) => unknown>;
  for (const name of names) functions[name] = mortal(functions[name]!);
};
wrap(fs, [...SYNC, ...MORE]);
wrap(promises, ASYNC);
// Modules that are imported from here on see the wrapped functions.
syncBuiltinESMExports();

const { NodeService } = await import('../../../src/deliver/csi/node.ts');
const { VolumeRecords } = await import('../../../src/deliver/csi/records.ts');
const { VolumeStore } = await import('../../../src/deliver/volume.ts');
const { isMountPoint, mountTmpfs, unmountAll } = await import('../../../src/os/mount.ts');

const options = { source: 'keystead-test', sizeBytes: 1 << 20, inodes: 256, mode: 0o755 };
const volumes = new VolumeStore();
const node = new NodeService({
  kubeletRoot: `${root}/kubelet`,
  records: new VolumeRecords(`${root}/state`),
  volumes,
  mounts: {
    isMounted: isMountPoint,
    mount: mortal((path: string) => mountTmpfs(path, options)),
    unmountAll: mortal(unmountAll),
  },
  events: { onPublish: () => 'BUNDLE\n', onUnpublish: () => undefined },
  log: pino({ enabled: false }),
});

await node.recover();
await node.publish(request);
const [volume] = volumes.list();
volumes.writeCredentials(volume!, pairs[0], { uid: 10001, gid: 10001 });
volumes.writeCredentials(volume!, pairs[1], { uid: 10001, gid: 10001 });
await node.unpublish(request);
process.stdout.write(String(changes));
