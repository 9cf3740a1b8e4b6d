#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { exportRecords } from '../audit/export.ts';
import { auditSource, contents } from '../audit/source.ts';
import { verify } from '../audit/verify.ts';
import type { AuditFiles, Terminal } from '../cli/port.ts';
import { runProgram } from '../cli/program.ts';
import { KubeClient } from '../kube/index.ts';
import { systemClock } from '../os/clock.ts';
import { VERSION } from '../version.ts';

const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  // Looks at NO_COLOR, FORCE_COLOR and whether it is a terminal by itself.
  style: (style, text) => styleText(style, text, { stream: process.stdout }),
};

const audit: AuditFiles = {
  verify: (paths, head) => {
    const source = auditSource(paths);
    return verify(contents(source), { whole: source.whole, ...(head !== undefined && { head }) });
  },
  export: (paths, filter, write) => exportRecords(contents(auditSource(paths)), filter, write),
};

// A reader that has seen enough, as `head` does, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal,
  clock: systemClock,
  version: VERSION,
  audit,
  readText: (path) => readFileSync(path, 'utf8'),
  readBytes: (path) => readFileSync(path),
  cluster: (kubeconfig) =>
    KubeClient.fromEnvironment(kubeconfig === undefined ? process.env : { ...process.env, KUBECONFIG: kubeconfig }),
});
