// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import type { Share } from '../share.ts';
import type { RootChoice, RootsChoice } from './choice.ts';
import type { RootOfTrust } from './port.ts';

/** Where the node's own keys live, and those of modules: the same place unless there are two. */
export interface Roots {
  readonly device?: RootOfTrust;
  readonly modules?: RootOfTrust;
  /** Each once. */
  readonly all: readonly RootOfTrust[];
}

/** Opens those of a share, or none. Throws what opening throws. */
export function openRoots(
  { modules: other, ...own }: RootsChoice,
  share: Share,
  open: (choice: RootChoice) => RootOfTrust,
): Roots {
  const device = share === 'Modules' ? undefined : open(own);
  if (share === 'Device') return { ...(device && { device }), all: device ? [device] : [] };
  if (!other) return device ? { device, modules: device, all: [device] } : { all: [] };
  try {
    const modules = open(other);
    return device ? { device, modules, all: [device, modules] } : { modules, all: [modules] };
  } catch (thrown) {
    device?.close();
    const { code, message } = asKeysteadError(thrown);
    throw new KeysteadError(code, `rootOfTrust.modules: ${message}`, { cause: thrown });
  }
}
