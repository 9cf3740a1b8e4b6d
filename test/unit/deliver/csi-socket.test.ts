// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { serveAt, type Serving } from '../../../src/deliver/csi/socket.ts';
import { GrpcServer } from '../../../src/grpc/server.ts';
import { createLogger } from '../../../src/log.ts';

let folder: string;
let path: string;
const serving: Serving[] = [];

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-csi-');
  path = join(folder, 'csi.sock');
});

afterEach(async () => {
  for (const each of serving.splice(0)) await each.stop();
  rmSync(folder, { recursive: true });
});

async function serve(): Promise<Serving> {
  const callers = { podOf: () => undefined, log: createLogger('test', 'silent') };
  const started = await serveAt(new GrpcServer(), path, callers);
  serving.push(started);
  return started;
}

describe("the driver's socket", () => {
  it('is replaced once another process has put its own in its place', async () => {
    const [first, second] = [await serve(), await serve()];
    expect([first.replaced, second.replaced]).toEqual([true, false]);
  });

  it('is not replaced where nobody is there to take over, as after it was removed, or its successor has stopped', async () => {
    const first = await serve();
    rmSync(path);
    expect(first.replaced).toBe(false);
    const second = await serve();
    expect(first.replaced).toBe(true);
    await second.stop();
    expect(first.replaced).toBe(false);
  });
});
