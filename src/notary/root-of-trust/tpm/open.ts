// SPDX-License-Identifier: Apache-2.0
import { handles } from './capability.ts';
import type { SocketPlace } from '../../../os/stream-socket.ts';
import { TPM_HT } from '../../../tpm/constants.ts';
import { DescriptorChannel } from './descriptor-channel.ts';
import { findStoragePrimary, STORAGE_HANDLE } from './storage-primary.ts';
import { Tpm } from './tpm.ts';

/** Where the TPM is: a device node (`/dev/tpmrm0`), or the data socket of a software TPM. */
export type TpmPlace = { readonly device: string } | { readonly socket: SocketPlace };

export type TpmOptions = TpmPlace & {
  readonly ownerAuth?: Buffer;
  readonly endorsementAuth?: Buffer;
  readonly lockoutAuth?: Buffer;
  /** Persistent handle of the storage key that salts the sessions, where it exists already. */
  readonly storageHandle?: number;
  /**
   * Nobody else uses this TPM, and no resource manager stands before it: what an earlier process left loaded is flushed.
   * True for sockets unless told; never say so for `/dev/tpmrm0`, which does it by itself.
   */
  readonly exclusive?: boolean;
  /** Longest time for one command; three minutes unless told. */
  readonly timeoutMs?: number;
};

/**
 * Opens a TPM. Sessions are salted from the start where there is a storage key; otherwise from when `storagePrimary` has
 * made it. Throws TokenAbsent, KeyUnfit.
 */
export function openTpm(options: TpmOptions): Tpm {
  const timing = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
  const channel =
    'device' in options
      ? DescriptorChannel.device(options.device, timing)
      : DescriptorChannel.socket(options.socket, timing);
  const tpm = new Tpm(channel, {
    ...(options.ownerAuth && { owner: options.ownerAuth }),
    ...(options.endorsementAuth && { endorsement: options.endorsementAuth }),
    ...(options.lockoutAuth && { lockout: options.lockoutAuth }),
  });
  try {
    if (options.exclusive ?? 'socket' in options) flushLeftovers(tpm);
    const storage = findStoragePrimary(tpm, options.storageHandle ?? STORAGE_HANDLE);
    if (storage) tpm.saltWith({ entity: storage, area: storage.area });
    return tpm;
  } catch (thrown) {
    tpm.close();
    throw thrown;
  }
}

/** Flushes all transient objects and sessions: three left-over objects make a TPM unusable. */
export function flushLeftovers(tpm: Tpm): void {
  for (const kind of [TPM_HT.transient, TPM_HT.hmacSession, TPM_HT.policySession]) {
    for (const handle of handles(tpm, kind)) tpm.flush(handle);
  }
}
