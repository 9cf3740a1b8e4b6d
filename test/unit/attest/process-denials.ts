// SPDX-License-Identifier: Apache-2.0
import type { Evidence } from '../../../src/attest/port.ts';
import { denial, type Denials } from './denial.ts';
import { answering, entered, evidence, mapped, mapping, process, withoutCall } from './evidence.ts';

/** By rule, in the order of the rules. */
export const PROCESS_DENIALS: readonly Denials[] = [
  {
    rule: 'NotTampered',
    reason: 'ProcessTampered',
    cases: [
      denial('a debugger', privileged({ tracer: 77 }), 'found that process 77 of the node traces it; end the debugger'),
      denial(
        'code that was changed in memory',
        evidence({ process: { mappings: [{ path: '/app/press', origin: 'image', changedPages: 2 }] } }),
        'found 2 changed pages in the code of /app/press; restart the pod',
      ),
      denial(
        'a preloaded library',
        evidence({ process: { loaderVariables: ['LD_PRELOAD=/lib/other.so'] } }),
        'found LD_PRELOAD=/lib/other.so; take the variable out',
      ),
      denial(
        'a preload where the runtime does not tell the environment of the image',
        { ...evidence(), container: imageUntold() },
        'found LD_PRELOAD=/lib/libjemalloc.so',
      ),
      denial('a memfd', mapping('anonymous', '/memfd:x'), 'found code of /memfd:x, which is in memory alone'),
      denial(
        'compiled code where the policy minds',
        evidence({ process: { anonymousCodeBytes: 4096 }, policy: answering('anonymousCode', 'Refuse') }),
        'found 4096 bytes of executable memory without a file',
      ),
      denial(
        'what is refused before what is reported',
        evidence({
          process: { anonymousCodeBytes: 4096, loaderVariables: ['LD_AUDIT=/x'] },
          policy: answering('anonymousCode', 'Report'),
        }),
        'found LD_AUDIT=/x',
      ),
    ],
  },
  {
    rule: 'Credentials',
    reason: 'CredentialsMismatch',
    cases: [
      denial(
        'mixed ids',
        evidence({ process: { mixedIds: true } }),
        'expected equal real, effective, saved and file system ids',
      ),
      denial('another uid', evidence({ process: { uid: 0 } }), 'expected uid 1000, found uid 0; set runAsUser'),
      denial('another gid', evidence({ process: { gid: 0 } }), 'expected gid 2000, found gid 0'),
      denial(
        'a user namespace that the module made',
        evidence({ process: { ownNamespaces: ['user'] } }),
        'do not make user namespaces in the module',
      ),
      denial('an id that the container does not have', mapped(999), 'found uid outside of the container'),
      denial('an id right after those of the container', mapped(100000 + 65536), 'found uid outside of the container'),
      denial('the uid of the host in a container with its own ids', mapped(1000), 'found uid outside of the container'),
      denial('another id of the container', mapped(101001), 'found uid 1001'),
      denial(
        'another supplementary group',
        privileged({ groups: [2000, 3000, 4] }),
        'expected supplementary groups 3000, found group 4; correct supplementalGroups',
      ),
      denial(
        'a capability more',
        privileged({ capabilities: ['CHOWN', 'SYS_ADMIN', 'NET_RAW'] }),
        'expected capabilities CHOWN, KILL, found SYS_ADMIN, NET_RAW; drop them',
      ),
      denial(
        'a process that can gain privileges',
        privileged({ noNewPrivileges: false }),
        'set allowPrivilegeEscalation: false',
      ),
      denial('no seccomp filter', privileged({ seccomp: 'Off' }), 'expected a seccomp filter, found none'),
    ],
  },
  {
    rule: 'Lineage',
    reason: 'LineageMismatch',
    cases: [
      denial(
        'a process that was executed in the container',
        entered(['/bin/sh']),
        'found ["/bin/sh"] (process 50 of the node), executed in the container from outside; restart the container',
      ),
      denial(
        'more than the probe that the pod declares',
        entered(['/app/check', '--alive', '--now']),
        'executed in the container from outside',
      ),
      denial(
        'a process that is older than a probe',
        entered(['sleep'], {}, 3.1),
        'executed in the container from outside',
      ),
      denial(
        'the first process of a container that somebody has opened before',
        { ...evidence(), opened: 'that ["/bin/sh"] was executed in the container from outside' },
        'expected processes that the container itself has started, found that ["/bin/sh"] was executed',
      ),
      denial('a young one that calls a socket', entered(['sleep'], {}, 1), 'executed in the container from outside'),
      denial(
        'a young one in a pod without probes',
        { ...withoutCall(), ...entered(['sleep'], {}, 1), pod: { ...evidence().pod!, probes: {} } },
        'executed in the container from outside',
      ),
    ],
  },
  {
    rule: 'PolicyWindow',
    reason: 'PolicyOutOfTime',
    cases: [
      denial(
        'a policy that does not count yet',
        evidence({ moment: { now: 999 } }),
        'expected a time from 1970-01-01T00:00:01.000Z on, found 1970-01-01T00:00:00.999Z; correct window',
      ),
      denial(
        'a policy that counts no more',
        evidence({ moment: { now: 2000 } }),
        'expected a time before 1970-01-01T00:00:02',
      ),
      denial(
        'a node that was without its API server for too long',
        evidence({ moment: { staleMs: 61_000 } }),
        'expected the API server heard from within 60 s, found that it has been out of reach for 61 s; connect',
      ),
    ],
  },
];

function privileged(changes: Partial<typeof process.privileges>): Evidence {
  return evidence({ process: { privileges: { ...process.privileges, ...changes } } });
}

function imageUntold(): NonNullable<Evidence['container']> {
  const { imageEnvironment: _untold, ...rest } = evidence().container!;
  return rest;
}
