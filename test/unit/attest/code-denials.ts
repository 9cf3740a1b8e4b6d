// SPDX-License-Identifier: Apache-2.0
import { denial, type Denials } from './denial.ts';
import { evidence, HASH, mapping, policy } from './evidence.ts';

const OTHER_HASH = 'cd'.repeat(32);

/** By rule, in the order of the rules. */
export const CODE_DENIALS: readonly Denials[] = [
  {
    rule: 'CommandAllowed',
    reason: 'CommandNotAllowed',
    cases: [
      denial(
        'another command than the template says',
        evidence({ pod: { commands: { main: { command: ['/bin/sh'], args: [], variables: {} } } } }),
        'expected the template\'s command ["/app/press"], args ["$(LINE)"], variable LINE, found command ["/bin/sh"]; change the template',
      ),
      denial(
        'the command of the image',
        evidence({ pod: { commands: {} } }),
        'variable LINE, found command of the image',
      ),
      denial(
        'another variable in the same command',
        evidence({
          pod: { commands: { main: { ...policy.podCommand!, variables: { LINE: '{"name":"LINE","value":"5"}' } } } },
        }),
        'variable LINE, found command ["/app/press"]',
      ),
      denial(
        'a command line that is not listed',
        evidence({ container: { argv: ['/app/press', '5'] } }),
        'expected command line ["/app/press","4"], found ["/app/press","5"]; start it as listed',
      ),
      denial(
        'a listed command line with one argument more',
        evidence({ container: { argv: ['/app/press', '4', '-v'] } }),
        'found ["/app/press","4","-v"]',
      ),
    ],
  },
  {
    rule: 'ExecutableAllowed',
    reason: 'ExecutableNotAllowed',
    cases: [
      denial(
        'another executable',
        evidence({ process: { executable: { path: '/app/press', sha256: OTHER_HASH } } }),
        `expected executable /app/press ${HASH}, found /app/press ${OTHER_HASH}`,
      ),
      denial(
        'the executable at another path',
        evidence({ process: { executable: { path: '/tmp/press', sha256: HASH } } }),
        `expected it at /app/press, found executable ${HASH} at /tmp/press`,
      ),
      denial(
        'an executable that could not be hashed',
        evidence({ process: { executable: { path: '/app/press', sha256: '', problem: 'it is too large' } } }),
        'found /app/press, whose hash could not be taken: it is too large',
      ),
      denial(
        'an executable without hash where the policy has an empty one',
        evidence({
          process: { executable: { path: '/app/press', sha256: '' } },
          policy: { executables: [{ sha256: '' }] },
        }),
        'unknown cause',
      ),
    ],
  },
  {
    rule: 'CodeFromImage',
    reason: 'CodeNotFromImage',
    cases: [
      denial(
        'a dropped file',
        mapping('writable', '/tmp/x.so'),
        'expected all code from the image, found /tmp/x.so from writable; put it into the image: code that was written',
      ),
      denial(
        'a library of a volume',
        mapping('foreign', '/data/x.so', 'device 0:50'),
        'found /data/x.so from foreign (device 0:50); put it into the image, or name its volume',
      ),
      denial('a deleted library', mapping('deleted', '/lib/x.so'), 'from deleted; restart the pod'),
      denial(
        'a program in memory alone',
        evidence({ process: { mappings: [{ path: '/memfd:x', origin: 'anonymous' }] } }),
        'from anonymous; run the program from a file of the image',
      ),
      denial(
        'a library of a volume that the policy does not name',
        evidence({ process: { mappings: [{ path: '/data/x.so', origin: 'foreign', mount: '/data' }] } }),
        'found /data/x.so from foreign',
      ),
      denial(
        'a script that was dropped',
        evidence({ process: { script: { path: '/tmp/x.js', origin: 'writable' } } }),
        'found script /tmp/x.js of /app/press from writable; put it into the image',
      ),
      denial(
        'a script of a volume',
        evidence({ process: { script: { path: '/data/x.js', origin: 'foreign', mount: '/data' } } }),
        'put it into the image, or name its volume in process.codeVolumes',
      ),
      denial(
        'a script that is gone',
        evidence({ process: { script: { path: 'x.js', origin: 'deleted', detail: 'no such file now' } } }),
        'from deleted (no such file now); start it by a path that stays',
      ),
      denial(
        'a root file system without layers',
        mapping('unprovable', '/app/x'),
        'from unprovable; use the overlayfs snapshotter',
      ),
      denial('no code at all', evidence({ process: { mappings: [] } }), 'found no code at all'),
    ],
  },
];
