// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeysteadError } from '../errors.ts';
import { Notary, Residency } from '../gen/keystead/notary/v1alpha1/notary_pb.js';
import { SpiffeWorkloadAPI } from '../gen/spiffe/workload_pb.js';
import { GrpcClient } from '../grpc/client.ts';
import { identityState, type IdentityState } from './state.ts';

/** Asked for by the Workload API, so that no forged request from outside reaches it. */
const HEADERS = { 'workload.spiffe.io': 'true' };
/** Waits before another attempt, milliseconds: doubled from the first to the last. */
const FIRST_WAIT_MS = 50;
const LAST_WAIT_MS = 2_000;

export function connect(socket: string): GrpcClient {
  return new GrpcClient(socket, { headers: HEADERS, timeout: 30_000 });
}

/** Gives the first identity on the socket, and again after each change, until the signal aborts; connects again by itself. */
export async function* followSocket(socket: string, signal: AbortSignal): AsyncGenerator<IdentityState, void> {
  const client = connect(socket);
  try {
    for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(wait * 2, LAST_WAIT_MS)) {
      for await (const state of untilEnded(client, signal)) {
        wait = FIRST_WAIT_MS;
        yield state;
      }
      await sleep(wait, undefined, { signal, ref: false }).catch(() => undefined);
    }
  } finally {
    client.close();
  }
}

/** What one stream gives. However it ends, another is asked for. */
async function* untilEnded(client: GrpcClient, signal: AbortSignal): AsyncGenerator<IdentityState, void> {
  try {
    yield* states(client, signal);
  } catch (thrown) {
    if (!(thrown instanceof KeysteadError)) throw thrown;
  }
}

/** The SPIFFE Workload API carries keys in memory; of one in the token the Notary API has certificate and anchors. */
async function* states(client: GrpcClient, signal: AbortSignal): AsyncGenerator<IdentityState, void> {
  try {
    for await (const { svids } of client.serverStream(SpiffeWorkloadAPI.method.fetchX509SVID, {}, { signal })) {
      const [svid] = svids;
      if (!svid) continue;
      const key = createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: 'der', type: 'pkcs8' });
      const privateKey = key.export({ type: 'pkcs8', format: 'pem' }) as string;
      const [chain, trustAnchors] = [pem(certificatesIn(svid.x509Svid)), pem(certificatesIn(svid.bundle))];
      yield identityState({ chain, trustAnchors, privateKey });
    }
  } catch (thrown) {
    if (!String(thrown).includes('KeyInHardware')) throw thrown;
    yield* heldStates(client, signal);
  }
}

async function* heldStates(client: GrpcClient, signal: AbortSignal): AsyncGenerator<IdentityState, void> {
  for await (const { identities, trustAnchors } of client.serverStream(Notary.method.watch, {}, { signal })) {
    const [identity] = identities;
    if (!identity) continue;
    // Asked for by another residency now: the Workload API has the key too.
    if (identity.key?.residency === Residency.MEMORY) return;
    const own = Object.entries(trustAnchors).find(([domain]) => identity.spiffeId.startsWith(`${domain}/`));
    const anchors = pem(own?.[1].certificates ?? []);
    yield identityState({ chain: pem(identity.chain), trustAnchors: anchors, privateKey: undefined });
  }
}

const pem = (ders: readonly Uint8Array[]): string =>
  ders.map((der) => new X509Certificate(Buffer.from(der)).toString()).join('');

/** Certificates that lie one behind the other, as the Workload API sends them. */
function certificatesIn(ders: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let rest = Buffer.from(ders); rest.length > 0;) {
    const { raw } = new X509Certificate(rest);
    found.push(raw);
    rest = rest.subarray(raw.length);
  }
  return found;
}
