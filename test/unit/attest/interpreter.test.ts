// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { scriptOf } from '../../../src/attest/interpreter.ts';
import { loaderVariables } from '../../../src/attest/loader-variables.ts';

describe('the script of an interpreter', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['/usr/bin/node', ['node', 'app.js', '--port', '80'], 'app.js'],
    ['/usr/bin/node', ['anything', '--max-old-space-size=64', '-r', './hook.js', '/app/main.js'], '/app/main.js'],
    ['/usr/bin/node', ['node', '--eval=1', 'x.js'], undefined],
    ['/usr/bin/node', ['node', '-e', '1', 'x.js'], undefined],
    ['/usr/bin/node', ['node'], undefined],
    ['/usr/bin/python3.13', ['python3', '-u', '-W', 'ignore', '/app/main.py'], '/app/main.py'],
    ['/usr/bin/python3', ['python3', '-m', 'http.server'], undefined],
    ['/usr/bin/python3', ['python3', '-'], undefined],
    ['/bin/bash', ['-bash', '-x', '/entry.sh'], '/entry.sh'],
    ['/bin/sh', ['sh', '-ec', 'sleep 1', 'x'], undefined],
    ['/bin/sh', ['sh', '-o', 'pipefail', '--', '-odd.sh'], '-odd.sh'],
    ['/bin/busybox', ['/bin/sh', '/entry.sh'], '/entry.sh'],
    ['/bin/busybox', ['busybox', 'sh', '/entry.sh'], '/entry.sh'],
    ['/bin/busybox', ['sleep', '1000'], undefined],
    ['/usr/bin/java', ['java', '-Xmx1g', '-cp', 'a.jar', '-jar', '/app/app.jar', 'x'], '/app/app.jar'],
    ['/usr/bin/java', ['java', '-cp', '/app/app.jar', 'com.example.Main', 'x'], undefined],
    ['/usr/bin/dotnet', ['dotnet', 'app.dll'], 'app.dll'],
    ['/usr/bin/dotnet', ['dotnet', 'exec', 'app.dll'], undefined],
    ['/usr/bin/perl', ['perl', '-w', '-I', 'lib', 'x.pl'], 'x.pl'],
    ['/usr/bin/php8.4', ['php', '-f', 'x.php'], 'x.php'],
    ['/app/press', ['node', 'app.js'], undefined],
  ])('of %s %j is %j', (executable, argv, script) => {
    expect(scriptOf(executable, argv)).toBe(script);
  });
});

describe('variables that bring other code into a program', () => {
  it.each([
    ['LD_PRELOAD=/x.so', true],
    ['LD_PRELOAD=', false],
    ['LD_AUDIT=/x.so', true],
    ['NODE_OPTIONS=--max-old-space-size=64', false],
    ['NODE_OPTIONS=--max-old-space-size=64 --require /x.js', true],
    ['NODE_OPTIONS=--inspect=0.0.0.0', true],
    ['JAVA_TOOL_OPTIONS=-Xmx1g', false],
    ['JAVA_TOOL_OPTIONS=-javaagent:/x.jar', true],
    ['DOTNET_STARTUP_HOOKS=/x.dll', true],
    ['RUBYOPT=-W:no-deprecated', false],
    ['LD_LIBRARY_PATH=/opt/lib', false],
    ['constructor=x', false],
    ['no entry at all', false],
  ])('%s: %s', (entry, expected) => {
    expect(loaderVariables(['PATH=/bin', entry])).toEqual(expected ? [entry] : []);
  });
});
