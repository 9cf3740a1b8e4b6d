// SPDX-License-Identifier: Apache-2.0
import type { ModulePolicy, PodCommand, PodEvidence } from './port.ts';
import {
  failed,
  held,
  moduleContainer,
  moduleName,
  onlyModule,
  podName,
  unknown,
  type Finding,
  type Rule,
} from './rule.ts';

/**
 * The container is started with a command that the module allows: what its template says, in the pod's own words, and
 * one of the command lines that are listed. A program of the right image with other arguments is another program.
 */
export const commandAllowed: Rule = {
  name: 'CommandAllowed',
  reason: 'CommandNotAllowed',
  check(evidence) {
    const module = onlyModule(evidence);
    const { pod, container } = evidence;
    if (module === undefined || pod === undefined || container === undefined)
      return unknown('the command of a container');
    return otherThanTemplate(pod, module) ?? listed(container.argv, module);
  },
};

function otherThanTemplate(pod: PodEvidence, module: ModulePolicy): Finding | undefined {
  const { podCommand } = module;
  if (podCommand === undefined) return undefined;
  const found = pod.commands[moduleContainer(pod, module) ?? ''] ?? NONE;
  if (written(found) === written(podCommand)) return undefined;
  const remedy = `change the template of EdgeModule ${moduleName(module)} instead of the pod ${podName(pod)}`;
  return failed(`the template's ${shown(podCommand)}`, shown(found), remedy);
}

const NONE: PodCommand = { command: [], args: [], variables: {} };

/** The variables count as well: with other values the same text is another command line. */
function written({ command, args, variables }: PodCommand): string {
  const named = Object.entries(variables).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([command, args, named]);
}

function shown({ command, args, variables }: PodCommand): string {
  const parts = [
    command.length > 0 ? `command ${line(command)}` : '',
    args.length > 0 ? `args ${line(args)}` : '',
    ...Object.keys(variables).map((name) => `variable ${name}`),
  ].filter((part) => part !== '');
  return parts.join(', ') || 'command of the image';
}

function listed(argv: readonly string[] | undefined, module: ModulePolicy): Finding {
  const { commands } = module;
  if (commands === undefined) {
    const how =
      module.podCommand === undefined ? `EdgeModule ${moduleName(module)} names none` : 'as the template says';
    return held(argv === undefined ? how : `${line(argv)}; ${how}`);
  }
  if (argv !== undefined && commands.some((allowed) => same(allowed, argv))) return held(line(argv));
  const remedy = `start it as listed, or add it to process.commands of EdgeModule ${moduleName(module)}`;
  const found = argv === undefined ? 'a runtime that tells none' : line(argv);
  return failed(`command line ${commands.map(line).join(' or ')}`, found, remedy);
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((argument, index) => argument === other[index]);
}

/** A command line in a message; long ones are cut. */
function line(argv: readonly string[]): string {
  const text = JSON.stringify(argv);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

const SHOWN = 160;
