// SPDX-License-Identifier: Apache-2.0
import { execFile, type ExecFileOptions } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A program ended with an error; the message holds the end of what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Runs a program to its end and resolves with its standard output. Throws CommandError when it cannot run or fails. */
export async function run(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { maxBuffer: 64 * 1024 * 1024, ...options, encoding: 'utf8' });
    return stdout;
  } catch (error) {
    const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string };
    const said = [stderr, stdout].map((text) => text?.trim()).find(Boolean) ?? message;
    throw new CommandError(`${program} ${args.join(' ')}: ${said.slice(-2000)}`, { cause: error });
  }
}

/** Whether the program runs and succeeds. Never throws. */
export async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}
