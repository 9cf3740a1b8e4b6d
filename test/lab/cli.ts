#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CommandError } from './command.ts';
import { importImage } from './containerd.ts';
import { tearDown } from './down.ts';
import { LabError } from './lab-error.ts';
import { readLab } from './lab-file.ts';
import { withLock } from './lock.ts';
import { checkRoot } from './preflight.ts';
import { Progress } from './progress.ts';
import { bringUpSecondNode, hasSecondNode, joinAsSecondNode } from './second-node.ts';
import { removeSecondNode } from './second-node-down.ts';
import { labSettings, type RuntimeChoice } from './settings.ts';
import { printStatus } from './status.ts';
import { bringUp, publish } from './up.ts';

const USAGE = `The lab: a real Kubernetes node on this machine.

  npm run lab -- up [--containerd current|debian] [--nodes 1|2]   bring it up, or what of it is missing;
                                                    --nodes 1 takes the second node away
  npm run lab -- down                               remove it without a trace (built programs stay cached)
  npm run lab -- status                             what runs; exit code 1 unless all of it does
  npm run lab -- kubeconfig                         path of the administrator's kubeconfig
  npm run lab -- load-image TAR                     import an OCI or Docker archive into the node
  npm run lab -- logs [NAME] [--follow]             the last 100 lines of one daemon, or of all

  KEYSTEAD_LAB_DIR     its folder (default /var/lib/keystead-lab); each folder is a lab of its own
  KEYSTEAD_LAB_SUBNET  first two numbers of its /16 (default 10.231)
  XDG_CACHE_HOME       built programs lie below, in keystead/lab (default ~/.cache)`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parse();
  const [command, argument] = positionals;
  const settings = labSettings();
  const progress = new Progress();
  if (values.help || command === undefined) {
    print(USAGE);
    return values.help ? 0 : 2;
  }
  const commands: Record<string, () => Promise<number>> = {
    up: async () => {
      checkRoot();
      const choice = runtimeChoice(values.containerd);
      const second = values.nodes === undefined ? await hasSecondNode(settings) : twoNodes(values.nodes);
      const lab = await withLock(settings, progress, async () => {
        await bringUp(settings, choice, progress);
        if (second) await bringUpSecondNode(settings, choice, import.meta.filename);
        else await removeSecondNode(settings, progress);
        return publish(settings, choice);
      });
      print(`export KUBECONFIG=${lab.kubeconfig}`);
      return 0;
    },
    // Not for people: `up` runs it inside the second node.
    join: async () => {
      await joinAsSecondNode(settings, runtimeChoice(values.containerd), progress);
      return 0;
    },
    down: async () => {
      checkRoot();
      await withLock(settings, progress, () => tearDown(settings, progress));
      return 0;
    },
    status: async () => ((await printStatus(settings, print)) ? 0 : 1),
    kubeconfig: () => {
      print(readLab().kubeconfig);
      return Promise.resolve(0);
    },
    'load-image': async () => {
      if (argument === undefined)
        throw new LabError('load-image needs the path of an archive', 'npm run lab -- load-image out/image.tar');
      print((await importImage(settings, readLab().runtime, resolve(argument))).trim());
      return 0;
    },
    logs: () => showLogs(readLab().logs, argument, values.follow ?? false),
  };
  const chosen = commands[command];
  if (!chosen) throw new LabError(`there is no command ${command}`, USAGE);
  return chosen();
}

function parse() {
  try {
    const options = {
      containerd: { type: 'string' },
      nodes: { type: 'string' },
      follow: { type: 'boolean', short: 'f' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new LabError((error as Error).message, USAGE, { cause: error });
  }
}

function runtimeChoice(text = 'current'): RuntimeChoice {
  if (text === 'current' || text === 'debian') return text;
  throw new LabError(
    `--containerd ${text} is not known`,
    'Take current (containerd 2, the default) or debian (containerd 1.6, an old node).',
  );
}

function twoNodes(text: string): boolean {
  if (text === '1' || text === '2') return text === '2';
  throw new LabError(`--nodes ${text} is not known`, 'A lab has 1 node (the default) or 2.');
}

async function showLogs(folder: string, name: string | undefined, follow: boolean): Promise<number> {
  const files = (await readdir(folder)).filter((file) => name === undefined || file === `${name}.log`);
  if (files.length === 0)
    throw new LabError(`no daemon of the lab is called ${name ?? ''}`, `Look into ${folder} for the names.`);
  const tail = spawn('tail', ['-n', '100', ...(follow ? ['-F'] : []), ...files.map((file) => join(folder, file))], {
    stdio: 'inherit',
  });
  return new Promise((done) => tail.on('close', (code) => done(code ?? 0)));
}

/** A person needs the stack of a defect only, not of what a program or the machine said. */
function explain(error: unknown): string {
  if (error instanceof LabError) return `${error.message}\n${error.remedy}`;
  if (error instanceof CommandError) return error.message;
  return error instanceof Error ? String(error.stack) : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`lab: ${explain(error)}\n`);
  process.exitCode = 1;
}
