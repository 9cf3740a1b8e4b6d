// SPDX-License-Identifier: Apache-2.0
import { libc } from '../../../src/os/libc.ts';

const setenv = libc('int setenv(const char *name, const char *value, int overwrite)');

/** Sets variables where C libraries in this process read them: jest's process.env is a copy. */
export function setEnvironment(variables: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) setenv(name, value, 1);
}
