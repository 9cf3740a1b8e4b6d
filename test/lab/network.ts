// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { run, succeeds } from './command.ts';
import { LabError } from './lab-error.ts';
import type { LabSettings } from './settings.ts';

interface Address {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local?: string }[];
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
}

/**
 * Makes the network of the node: a namespace that holds every process, port, rule and pod of the lab, joined to the host by
 * one pair of interfaces, with a route from the host to pods and services. The host's own firewall and sysctls stay
 * untouched. Idempotent; repairs what is missing.
 */
export async function connectNetwork(settings: LabSettings): Promise<void> {
  const { addresses, hostInterface, netns } = settings;
  if (!(await hasNamespace(settings))) {
    if (await isLeftover(settings)) await succeeds('ip', ['link', 'delete', 'dev', hostInterface]);
    await writeFile(netns, '');
    await run('unshare', [`--net=${netns}`, '--', 'true']);
  }
  if (!(await succeeds('ip', ['link', 'show', 'dev', hostInterface]))) {
    await run('ip', ['link', 'add', hostInterface, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns]);
  }
  await run('ip', ['address', 'replace', `${addresses.host}/30`, 'dev', hostInterface]);
  await run('ip', ['link', 'set', hostInterface, 'up']);
  await run('nsenter', [`--net=${netns}`, '--', 'sh', '-ec', nodeSide(settings)]);
  await run('ip', ['route', 'replace', `${addresses.subnet}.0.0/16`, 'via', addresses.node, 'dev', hostInterface]);
}

function nodeSide({ addresses }: LabSettings): string {
  return [
    'ip link set lo up',
    `ip address replace ${addresses.node}/30 dev eth0`,
    'ip link set eth0 up',
    `ip route replace default via ${addresses.host}`,
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
  ].join('\n');
}

/** Removes the pair of interfaces and the namespace's name; the namespace itself goes with its last process. */
export async function disconnectNetwork({ netns }: LabSettings): Promise<void> {
  // From the inside: on the host, the same name might be another lab's.
  await succeeds('nsenter', [`--net=${netns}`, '--', 'ip', 'link', 'delete', 'dev', 'eth0']);
  await succeeds('umount', ['-l', netns]);
  await rm(netns, { force: true });
}

async function hasNamespace({ netns }: LabSettings): Promise<boolean> {
  return succeeds('nsenter', [`--net=${netns}`, '--', 'true']);
}

/**
 * Whether the interface is what a killed lab with these addresses has left, wherever its folder was: no process that
 * knows the node's address runs any more, so nobody answers behind it.
 */
async function isLeftover({ addresses }: LabSettings): Promise<boolean> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.split(/[\0=:/]/).includes(addresses.node)) return false;
  }
  return true;
}

/** Throws LabError when the host, or another lab, uses addresses of this lab's subnet already. */
export async function checkSubnetFree(settings: LabSettings): Promise<void> {
  const { addresses } = settings;
  const ours = (await hasNamespace(settings)) || (await isLeftover(settings));
  const hostInterface = ours ? settings.hostInterface : undefined;
  const inside = (text: string | undefined) => text?.startsWith(`${addresses.subnet}.`) ?? false;
  const links = JSON.parse(await run('ip', ['-j', 'address'])) as Address[];
  const routes = JSON.parse(await run('ip', ['-j', '-4', 'route', 'show', 'table', 'all'])) as Route[];
  const holder =
    links.find(({ ifname, addr_info }) => ifname !== hostInterface && addr_info.some(({ local }) => inside(local)))
      ?.ifname ?? routes.find(({ dst, dev }) => dev !== hostInterface && inside(dst))?.dev;
  if (holder !== undefined) {
    throw new LabError(
      `the addresses ${addresses.subnet}.0.0/16 are in use on this machine, by interface ${holder}`,
      'Name a free /16 with KEYSTEAD_LAB_SUBNET (for example 10.232), or bring down the lab that uses it.',
    );
  }
}
