// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Lab } from '../../lab/index.ts';

const execute = promisify(execFile);

export const SPIRE_DOMAIN = 'spire.example';
const SERVER_PORT = 18_081;
const START_SECONDS = 30;

/** A SPIRE server and agent on the lab's node, as its quickstart sets them up. */
export class Spire {
  readonly #folder: string;
  readonly #processes: ChildProcess[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Starts SPIRE from a folder that holds `spire-server` and `spire-agent`, as they are or packed (`.xz`). Undefined where
   * it does not.
   */
  static async start(programs: string, lab: Lab): Promise<Spire | undefined> {
    const names = ['spire-server', 'spire-agent'];
    const found = names.map((name) =>
      [join(programs, name), join(programs, `${name}.xz`)].find((path) => existsSync(path)),
    );
    if (found.includes(undefined)) return undefined;
    const spire = new Spire(mkdtempSync(join(tmpdir(), 'keystead-spire-')));
    try {
      for (const [index, name] of names.entries()) await unpack(found[index]!, spire.#path(name));
      await spire.#start(lab);
      return spire;
    } catch (error) {
      await spire.stop();
      throw error;
    }
  }

  /** The folder that pods mount to reach the agent's socket `agent.sock`. */
  get socketFolder(): string {
    return this.#path('public');
  }

  /** By process name. */
  get pids(): Readonly<Record<string, number>> {
    const [server, agent] = this.#processes.map(({ pid }) => pid!);
    return { 'spire-server': server!, 'spire-agent': agent! };
  }

  /** Registers the pods of a namespace as one workload, and waits until the agent knows it. */
  async register(namespace: string): Promise<void> {
    const id = (path: string): string => `spiffe://${SPIRE_DOMAIN}/${path}`;
    await this.#server([
      'entry',
      'create',
      '-parentID',
      id('node'),
      '-spiffeID',
      id('caller'),
      '-selector',
      `k8s:ns:${namespace}`,
    ]);
    // The agent asks its server every five seconds.
    await setTimeout(7000);
  }

  async stop(): Promise<void> {
    for (const child of this.#processes.reverse()) {
      if (child.exitCode !== null) continue;
      child.kill('SIGTERM');
      await Promise.race([once(child, 'exit'), setTimeout(5000).then(() => child.kill('SIGKILL'))]);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(lab: Lab): Promise<void> {
    chmodSync(this.#folder, 0o755);
    mkdirSync(this.socketFolder, { mode: 0o755 });
    writeFileSync(this.#path('server.conf'), this.#serverConfiguration());
    writeFileSync(this.#path('agent.conf'), this.#agentConfiguration(lab));
    this.#run('spire-server', ['run', '-config', this.#path('server.conf')]);
    const token = await this.#eventually(async () => {
      const output = await this.#server([
        'token',
        'generate',
        '-spiffeID',
        `spiffe://${SPIRE_DOMAIN}/node`,
        '-output',
        'json',
      ]);
      return (JSON.parse(output) as { value: string }).value;
    });
    this.#run('spire-agent', ['run', '-config', this.#path('agent.conf'), '-joinToken', token]);
    await this.#eventually(async () => {
      await execute(this.#path('spire-agent'), ['healthcheck', '-socketPath', join(this.socketFolder, 'agent.sock')]);
      return true;
    });
  }

  #run(name: string, args: readonly string[]): void {
    const log = openSync(this.#path(`${name}.log`), 'a');
    this.#processes.push(spawn(this.#path(name), args, { cwd: this.#folder, stdio: ['ignore', log, log] }));
  }

  async #server(args: readonly string[]): Promise<string> {
    const socket = ['-socketPath', this.#path('server.sock')];
    return (await execute(this.#path('spire-server'), [...args, ...socket])).stdout;
  }

  async #eventually<T>(look: () => Promise<T>): Promise<T> {
    for (let left = START_SECONDS * 4; ; left--) {
      try {
        return await look();
      } catch (error) {
        if (left === 0) throw error;
        await setTimeout(250);
      }
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #serverConfiguration(): string {
    const database = `connection_string = "${this.#path('datastore.sqlite3')}"`;
    return `
server {
  bind_address = "127.0.0.1"
  bind_port = "${SERVER_PORT}"
  socket_path = "${this.#path('server.sock')}"
  trust_domain = "${SPIRE_DOMAIN}"
  data_dir = "${this.#folder}"
  log_level = "WARN"
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3", ${database} } }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "disk" { plugin_data { keys_path = "${this.#path('keys.json')}" } }
}
`;
  }

  #agentConfiguration(lab: Lab): string {
    const key = (file: string): string => join(lab.dir, 'pki', `apiserver-kubelet-client.${file}`);
    return `
agent {
  server_address = "127.0.0.1"
  server_port = "${SERVER_PORT}"
  socket_path = "${join(this.socketFolder, 'agent.sock')}"
  trust_domain = "${SPIRE_DOMAIN}"
  data_dir = "${this.#path('agent')}"
  insecure_bootstrap = true
  log_level = "WARN"
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "k8s" {
    plugin_data {
      kubelet_secure_port = 10250
      skip_kubelet_verification = true
      certificate_path = "${key('crt')}"
      private_key_path = "${key('key')}"
      node_name = "${lab.nodeAddress}"
    }
  }
  WorkloadAttestor "unix" { plugin_data { discover_workload_path = true } }
}
`;
  }
}

async function unpack(source: string, target: string): Promise<void> {
  const child = source.endsWith('.xz') ? spawn('xz', ['-dkc', source]) : spawn('cat', [source]);
  child.stdout.pipe(createWriteStream(target, { mode: 0o755 }));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`cannot unpack ${source}`);
}
