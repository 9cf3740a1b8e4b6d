// SPDX-License-Identifier: Apache-2.0
import type { AuditRecord } from '../audit/record.ts';
import type { ExportCount, ExportFilter } from '../audit/export.ts';
import type { Verification } from '../audit/verify.ts';
import type { KubeClient } from '../kube/index.ts';
import type { Clock } from '../os/clock.ts';

/** The API server, with what the user's kubeconfig may do. Only `device learn` writes. */
export type Cluster = Pick<
  KubeClient,
  'namespace' | 'get' | 'find' | 'list' | 'patch' | 'serves' | 'version' | 'clockSkewMs' | 'close'
>;

export type { AuditRecord, ExportFilter, Verification };

/** The audit log in files on this machine. */
export interface AuditFiles {
  verify(paths: readonly string[], head: string | undefined): Verification;
  export(paths: readonly string[], filter: ExportFilter, write: (line: string) => void): ExportCount;
}

/** Where a command writes. */
export interface Terminal {
  /** Standard output, a line. */
  out(line: string): void;
  /** Standard error, a line. */
  err(line: string): void;
  /** Text in a style where the terminal shows colours, else as it is. */
  style(style: Style, text: string): string;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** What the commands work with. */
export interface CliPorts {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly version: string;
  readonly audit: AuditFiles;
  /** A file's text. Throws what node:fs throws. */
  readonly readText: (path: string) => string;
  /** A file's octets. Throws what node:fs throws. */
  readonly readBytes: (path: string) => Buffer;
  /** The cluster of this kubeconfig, or of the environment. Does not connect yet. */
  readonly cluster: (kubeconfig: string | undefined) => Promise<Cluster>;
}
