// SPDX-License-Identifier: Apache-2.0

/** Programs whose behaviour is in another file that they are given, by the name of the executable. */
const INTERPRETERS: readonly (readonly [name: RegExp, options: Options])[] = [
  [/^(?:ba|da|a|k|z|mk)?sh$/, { inline: ['-c'], valued: ['-o', '+o', '-O', '+O', '--rcfile', '--init-file'] }],
  [
    /^(?:nodejs|node|bun|deno)$/,
    { inline: ['-e', '--eval', '-p', '--print'], valued: ['-r', '--require', '--import', '-C'] },
  ],
  [/^python[\d.]*$/, { inline: ['-c', '-m'], valued: ['-W', '-X', '--check-hash-based-pycs'] }],
  [/^perl[\d.]*$/, { inline: ['-e', '-E'], valued: ['-I'] }],
  [/^ruby[\d.]*$/, { inline: ['-e'], valued: ['-I', '-r', '-C', '-E'] }],
  [/^php[\d.]*$/, { inline: ['-r', '-S'], valued: ['-d', '-c', '-z'], file: ['-f'] }],
  [
    /^java$/,
    { inline: [], valued: ['-cp', '-classpath', '--class-path', '-p', '--module-path'], file: ['-jar'], only: true },
  ],
  [/^(?:dotnet|mono)$/, { inline: ['exec'], valued: ['--depsfile', '--runtimeconfig', '--additionalprobingpath'] }],
  [/^(?:lua(?:jit)?|tclsh)[\d.]*$/, { inline: ['-e'], valued: ['-l'] }],
];

interface Options {
  /** The program is on the command line itself, or named otherwise than by a file. */
  readonly inline: readonly string[];
  /** Options whose value is the next argument. */
  readonly valued: readonly string[];
  /** Options whose next argument is the program's file. */
  readonly file?: readonly string[];
  /** Without such an option no argument is a file. */
  readonly only?: true;
}

/**
 * The file that an interpreter runs, as its command line names it; undefined where the executable is none, or what it
 * runs is no file (`sh -c`, `python -m`, standard input). `executable` is the path of the program itself: what the
 * process calls itself does not matter, but for busybox, which is a shell by that name.
 */
export function scriptOf(executable: string, argv: readonly string[]): string | undefined {
  const own = baseName(executable);
  const applet = own === 'busybox' ? appletOf(argv) : { name: own, rest: argv.slice(1) };
  const options = INTERPRETERS.find(([name]) => name.test(applet.name))?.[1];
  return options && scriptAmong(applet.rest, options);
}

/** `busybox sh script` and `sh script`, where sh is a link to busybox. */
function appletOf([first = '', ...rest]: readonly string[]): { name: string; rest: readonly string[] } {
  // A login shell's name begins with a hyphen.
  const name = baseName(first).replace(/^-/, '');
  return name === 'busybox' ? { name: rest[0] ?? '', rest: rest.slice(1) } : { name, rest };
}

function scriptAmong(rest: readonly string[], { inline, valued, file = [], only }: Options): string | undefined {
  for (let at = 0; at < rest.length; at++) {
    const argument = rest[at] ?? '';
    if (file.includes(argument)) return rest[at + 1];
    if (inline.some((option) => isOption(argument, option))) return undefined;
    if (valued.includes(argument)) at++;
    else if (argument === '--') return only === true ? undefined : rest[at + 1];
    else if (argument === '-' || (only === true && !argument.startsWith('-'))) return undefined;
    else if (!argument.startsWith('-') && !argument.startsWith('+')) return argument;
  }
  return undefined;
}

/** Also with its value attached (`-ecode`, `--eval=code`) or among other letters (`sh -xc code`). */
function isOption(argument: string, option: string): boolean {
  if (argument === option || argument.startsWith(`${option}=`)) return true;
  const letter = /^-(\w)$/.exec(option)?.[1];
  return letter !== undefined && /^-\w+$/.test(argument) && argument.includes(letter);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
