// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import type { RootChoice, RootsChoice } from './choice.ts';
import type { RootOfTrust } from './port.ts';

/** Where the node's own keys live, and those of modules: the same place unless there are two. */
export interface Roots {
  readonly device: RootOfTrust;
  readonly modules: RootOfTrust;
  close(): void;
}

/** Opens both, or none. Throws what opening throws. */
export function openRoots({ modules: other, ...own }: RootsChoice, open: (choice: RootChoice) => RootOfTrust): Roots {
  const device = open(own);
  if (!other) return { device, modules: device, close: () => device.close() };
  try {
    const modules = open(other);
    return {
      device,
      modules,
      close: () => {
        device.close();
        modules.close();
      },
    };
  } catch (thrown) {
    device.close();
    const { code, message } = asKeysteadError(thrown);
    throw new KeysteadError(code, `rootOfTrust.modules: ${message}`, { cause: thrown });
  }
}
