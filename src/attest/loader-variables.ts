// SPDX-License-Identifier: Apache-2.0

/**
 * Environment variables by which other code gets into a program, each with what in its value does so: of the dynamic
 * loader (ld.so(8)), shells and the interpreters that modules are written for. Variables that only name folders
 * (LD_LIBRARY_PATH, PYTHONPATH) are left to the rules on code.
 */
const VARIABLES = new Map<string, RegExp>([
  ['LD_PRELOAD', /\S/],
  ['LD_AUDIT', /\S/],
  ['BASH_ENV', /\S/],
  ['NODE_OPTIONS', /(?:^|\s)(?:-r\b|--require\b|--import\b|--loader\b|--experimental-loader\b|--inspect)/],
  ['PYTHONSTARTUP', /\S/],
  ['PERL5OPT', /(?:^|\s)-[mMdI]/],
  ['PERL5DB', /\S/],
  ['RUBYOPT', /(?:^|\s)-[rI]/],
  ['JAVA_TOOL_OPTIONS', /-(?:javaagent|agentpath|agentlib)/],
  ['JDK_JAVA_OPTIONS', /-(?:javaagent|agentpath|agentlib)/],
  ['_JAVA_OPTIONS', /-(?:javaagent|agentpath|agentlib)/],
  ['DOTNET_STARTUP_HOOKS', /\S/],
  ['CORECLR_ENABLE_PROFILING', /^1$/],
]);

/** Those entries (`NAME=value`) of an environment that make its program run other code. */
export function loaderVariables(environment: readonly string[]): string[] {
  return environment.filter((entry) => {
    const at = entry.indexOf('=');
    return VARIABLES.get(entry.slice(0, at))?.test(entry.slice(at + 1)) === true;
  });
}
