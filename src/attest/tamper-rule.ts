// SPDX-License-Identifier: Apache-2.0
import type { Answer, ModulePolicy, ProcessEvidence } from './port.ts';
import { failed, held, moduleName, ofProcess, reported, type Rule } from './rule.ts';

/** What a sign looks like in one process, and what would make it go away. */
interface Sign {
  readonly answer: Answer;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string;
}

/** Nobody traces the process, has changed its code in memory or has made its loader bring other code. */
export const notTampered: Rule = {
  name: 'NotTampered',
  reason: 'ProcessTampered',
  check: ofProcess((process, module, { container }) => {
    const known = new Set(container?.imageEnvironment);
    const loaderVariables = process.loaderVariables.filter((entry) => !known.has(entry));
    const signs = signsOf({ ...process, loaderVariables }, module).filter(({ answer }) => answer !== 'Allow');
    const refused = signs.find(({ answer }) => answer === 'Refuse');
    const sign = refused ?? signs[0];
    if (sign === undefined) return held(clean(process));
    const finding = failed(
      sign.expected,
      sign.found,
      `${sign.remedy} (process.signals of EdgeModule ${moduleName(module)})`,
    );
    return refused === undefined ? reported(finding) : finding;
  }),
};

function clean({ anonymousCodeBytes }: ProcessEvidence): string {
  const compiled = anonymousCodeBytes > 0 ? `, ${anonymousCodeBytes >> 10} KiB of code without a file` : '';
  return `no tracer, no changed code, no preloaded library${compiled}`;
}

function signsOf(process: ProcessEvidence, { signals }: ModulePolicy): Sign[] {
  const { privileges, mappings, loaderVariables, anonymousCodeBytes } = process;
  const changed = mappings.filter(({ changedPages }) => changedPages !== undefined && changedPages > 0);
  const nameless = mappings.filter(({ origin }) => origin === 'anonymous');
  return [
    ...(privileges.tracer === undefined ? [] : [traced(privileges.tracer, signals.tracer)]),
    ...changed.slice(0, 1).map((mapping) => rewritten(mapping.path, mapping.changedPages ?? 0, signals.modifiedCode)),
    ...loaderVariables.slice(0, 1).map((variable) => preloaded(variable, signals.preload)),
    ...nameless.slice(0, 1).map(({ path }) => inMemory(path, signals.memfdCode)),
    ...(anonymousCodeBytes === 0 ? [] : [compiled(anonymousCodeBytes, signals.anonymousCode)]),
  ];
}

function traced(tracer: number, answer: Answer): Sign {
  const remedy = 'end the debugger and restart the pod, or answer signals.tracer otherwise';
  return {
    answer,
    expected: 'a process that nobody traces',
    found: `that process ${tracer} of the node traces it`,
    remedy,
  };
}

function rewritten(path: string, pages: number, answer: Answer): Sign {
  const found = `${pages} changed ${pages === 1 ? 'page' : 'pages'} in the code of ${path}`;
  const remedy = 'restart the pod; where uprobes of a tracing tool do it, answer signals.modifiedCode otherwise';
  return { answer, expected: 'code in memory as it is in its file', found, remedy };
}

function preloaded(variable: string, answer: Answer): Sign {
  const remedy = 'take the variable out of the pod, or answer signals.preload otherwise where it is of the image';
  return { answer, expected: 'an environment that loads no other code', found: variable, remedy };
}

function inMemory(path: string, answer: Answer): Sign {
  const remedy =
    'run code from files of the image (.NET: DOTNET_EnableWriteXorExecute=0), or answer signals.memfdCode otherwise';
  return { answer, expected: 'code of files', found: `code of ${path}, which is in memory alone`, remedy };
}

function compiled(bytes: number, answer: Answer): Sign {
  const remedy = 'switch its just-in-time compiler off, or answer signals.anonymousCode otherwise';
  return {
    answer,
    expected: 'code of files alone',
    found: `${bytes} bytes of executable memory without a file`,
    remedy,
  };
}
