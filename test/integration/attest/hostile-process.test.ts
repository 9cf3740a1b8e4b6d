// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { incarnationOf } from '../../../src/attest/incarnation.ts';
import { ProcessSource } from '../../../src/bin/agent/process-source.ts';
import { Container, eventually, Host, imageLayer, mountOverlay, possible } from './container.ts';

jest.setTimeout(30_000);

/** For Python: memory of nothing, and prctl(PR_SET_MM_MAP), which needs no privilege, of all but the environment as it is. */
const PRCTL = `import ctypes,time
libc = ctypes.CDLL(None)
libc.mmap.restype = libc.sbrk.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def map_anonymous(length): return libc.mmap(None, length, 1, 0x4022, -1, 0)
def set_environment(start, end):
  stat = open('/proc/self/stat').read().rsplit(')', 1)[1].split()
  field = lambda number: int(stat[number - 3])
  fields = [field(number) for number in (26, 27, 45, 46, 47)] + [libc.sbrk(0)]
  fields += [field(28), field(48), field(49), start, end, 0, 0xffffffff << 32]
  libc.prctl(35, 14, (ctypes.c_uint64 * len(fields))(*fields), ctypes.c_ulong(8 * len(fields)), 0)`;

/** Fields 50 and 51 of its stat. */
function environmentLength(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[48]) - Number(fields[47]);
}

(possible ? describe : describe.skip)('the measure of a process that would rather not be measured', () => {
  let host: Host;

  beforeEach(async () => {
    host = await new Host().ready();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  async function started(): Promise<Container> {
    return Container.start(host, mountOverlay(host, [imageLayer(host)]));
  }

  it('is as that of any other for a process whose first thread has ended, and so is the watch for its end', async () => {
    // One thread goes on; the first one ends by itself, as by pthread_exit in main.
    const script =
      'import ctypes,platform,threading,time\nthreading.Thread(target=time.sleep,args=(1000,)).start()\n' +
      "ctypes.CDLL(None).syscall({'x86_64':60,'aarch64':93}[platform.machine()],0)";
    const headless = host.start('python3', ['-c', script]).pid!;
    const whole = host.start('python3', ['-c', 'import time\ntime.sleep(1000)']).pid!;
    const stateOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.slice(0, 1);
    await eventually(() => stateOf(headless) === 'Z');
    await eventually(() => readlinkSync(`/proc/${whole}/exe`).includes('python'));
    const { executable, uid, lineage } = (await host.meter().measure(whole))!;
    const found = await host.meter().measure(headless);
    expect(found).toMatchObject({ pid: headless, init: headless, executable, uid, lineage });
    expect(found!.mappings.length).toBeGreaterThan(0);
    let ended = false;
    const watch = new ProcessSource(host.meter()).watchExit(found!, () => (ended = true));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(ended).toBe(false);
    process.kill(headless, 'SIGKILL');
    await eventually(() => ended);
    watch.close();
  });

  it('can be taken though its program lies deeper than the kernel tells, and proves nothing then', async () => {
    const deep = join(host.folder, 'deep');
    const script = `import os,shutil\nos.mkdir('${deep}'); os.chdir('${deep}')
for level in range(20): os.mkdir('d' * 250); os.chdir('d' * 250)
shutil.copy('/bin/busybox','busybox'); os.execv('./busybox',['busybox','sleep','1000'])`;
    const pid = host.start('python3', ['-c', script]).pid!;
    await eventually(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'busybox\n');
    const found = await host.meter().measure(pid);
    expect(found!.incarnation).toBe(incarnationOf(pid));
    expect(found!.mappings).toMatchObject([{ origin: 'unprovable' }]);
    process.kill(pid, 'SIGKILL');
    spawnSync('rm', ['-rf', deep]);
  });

  it('can be taken though its script would lie deeper than the kernel tells', async () => {
    const container = await started();
    const deeper = `mkdir ${'d'.repeat(250)}; cd -P ${'d'.repeat(250)} 2>/dev/null`;
    const pid = await container.start(
      `/bin/busybox mkfifo /tmp/in; cd /tmp; for level in $(seq 20); do ${deeper}; done; exec /bin/busybox sh -s name 0<>/tmp/in`,
      '/bin/busybox',
    );
    await eventually(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/busybox\0sh\0-s'));
    expect(() => readlinkSync(`/proc/${pid}/cwd`)).toThrow('ENAMETOOLONG');
    const found = await host.meter().measure(pid, container.init);
    expect(found).toMatchObject({ script: { path: 'name', origin: 'deleted' }, mappings: [{ origin: 'image' }] });
  });

  it.each([
    ['/tmp/volume/script', { origin: 'foreign', mount: '/tmp/volume', detail: 'it lies on fuse' }],
    ['/tmp/link/script', { origin: 'anonymous', detail: 'ENOTCONN' }],
    ['/tmp/beside/script', { origin: 'deleted' }],
  ])(
    'can be taken though its script %s lies in a volume whose server has gone, or beside it',
    async (script, expected) => {
      const container = await started();
      container.run(`cd /tmp; mkdir volume beside; ln -s volume link; mknod fuse c 10 229; exec 7<>fuse
      mount -t fuse -o fd=7,rootmode=40000,user_id=0,group_id=0 none volume; exec 7>&-; mkfifo in`);
      const pid = await container.start(`exec /bin/busybox sh -s ${script} 0<>/tmp/in`, '/bin/busybox');
      await eventually(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/busybox\0sh\0-s'));
      expect(() => readFileSync(`/proc/${pid}/root/tmp/volume/script`)).toThrow('ENOTCONN');
      expect((await host.meter().measure(pid, container.init))!.script).toMatchObject({ path: script, ...expected });
    },
  );

  it('does not go by how long the process says that its environment is', async () => {
    const script = `${PRCTL}
start = map_anonymous(1 << 32)
set_environment(start, start + (1 << 32))
time.sleep(1000)`;
    const pid = host.start('python3', ['-c', script]).pid!;
    const before = (await host.meter().measure(process.pid))!;
    expect(before.loaderVariables.filter((entry) => entry.startsWith('LD_PRELOAD'))).toEqual([]);
    await eventually(() => environmentLength(pid) === 2 ** 32);
    const found = await host.meter().measure(pid);
    expect(found).toMatchObject({
      argv: [],
      loaderVariables: ['LD_PRELOAD=(the process says that its environment is longer than one can be)'],
    });
  });

  it('does not look through more code than any program has', async () => {
    const path = join(host.folder, 'code');
    const code = (bytes: number): string => `import mmap,os,time,ctypes
libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mmap(None, ${bytes}, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, os.open('${path}', os.O_RDWR), 0)
time.sleep(1000)`;
    writeFileSync(path, 'code');
    const details = async (bytes: number): Promise<(string | undefined)[]> => {
      const pid = host.start('python3', ['-c', code(bytes)]).pid!;
      await eventually(() => readFileSync(`/proc/${pid}/maps`, 'utf8').includes(path));
      return (await host.meter().measure(pid))!.mappings.map(({ path: at, detail }) => `${at}: ${detail}`);
    };
    expect(await details(2 ** 30)).toContainEqual(expect.stringContaining(path));
    expect((await details(2 ** 33)).slice(1)).toEqual(['(all of it): it is more than is looked through']);
  });

  it('can be taken though its arguments name a script as no file can be called', async () => {
    const container = await started();
    const name = 'x'.repeat(300);
    const pid = await container.start(
      `/bin/busybox mkfifo /tmp/in; exec /bin/busybox sh -s ${name} 0<>/tmp/in`,
      '/bin/busybox',
    );
    await eventually(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/busybox\0sh\0-s'));
    expect((await host.meter().measure(pid, container.init))!.script).toMatchObject({ path: name, origin: 'deleted' });
  });
});
