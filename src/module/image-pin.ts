// SPDX-License-Identifier: Apache-2.0
import type { EdgeModuleSpecImage } from '../api/v1alpha1/index.ts';

const PINNED = /@sha256:[0-9a-f]{64}$/;

/**
 * The reference under which an image can only be one: `repository@sha256:<digest>`. The digest is the reference's
 * own, or the first that `images` gives under exactly this name. Undefined where neither names a digest.
 */
export function pinned(reference: string, images: readonly EdgeModuleSpecImage[]): string | undefined {
  if (PINNED.test(reference)) {
    const [name = '', digest = ''] = reference.split('@');
    return `${repository(name)}@${digest}`;
  }
  const digest = images.find(({ name }) => name === reference)?.digest;
  return digest === undefined ? undefined : `${repository(reference)}@${digest}`;
}

/** Without its tag: a colon after the last slash; one before it parts a registry's host from its port. */
function repository(name: string): string {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon < 0 ? name : name.slice(0, colon);
}
