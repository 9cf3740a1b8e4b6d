// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { setCondition, type Condition } from '../src/api/conditions.ts';
import { INTEGRITY_VERIFIED } from '../src/api/names.ts';
import type { EdgeDevice, EdgeDeviceStatusAttester } from '../src/api/v1alpha1/index.ts';
import type { NodeIntegrity } from '../src/attest/port.ts';
import { asKeysteadError } from '../src/errors.ts';
import { refusalByIntegrity } from '../src/identity/node-integrity.ts';
import { timestamp } from '../src/identity/holding.ts';
import type { RevocationLists } from '../src/notary/revocation-port.ts';
import type { KeyStatus, Notary, NotaryStatus, TokenKeyStatus } from '../src/notary/port.ts';
import type { Clock } from '../src/os/clock.ts';
import type { NodeRevocation } from './node-revocation.ts';
import { revocationStatus } from './revocation-status.ts';
import { notaryConfiguration } from './notary-configuration.ts';

export interface NodeDevicePorts {
  readonly node: string;
  /** SHA-256 of this program, hexadecimal. */
  readonly program: string;
  readonly clock: Clock;
  readonly notary: Pick<Notary, 'configure' | 'status'>;
  device(): EdgeDevice | undefined;
  /** API server's clock minus ours, milliseconds; undefined before the first answer. */
  clockSkewMs(): number | undefined;
  platform(): Record<string, string>;
  /** Of this node's measured boot; undefined where that is not enforced. */
  integrity(): NodeIntegrity | undefined;
  /** What the status says of the TPM that attests; undefined where there is no measured boot. Never rejects. */
  attest(device: EdgeDevice): Promise<EdgeDeviceStatusAttester | undefined>;
  /** What the notary has revoked. */
  readonly revocation: Pick<NodeRevocation, 'lists' | 'follow'>;
  /** Server-side apply of the status. */
  apply(status: Record<string, unknown>): Promise<void>;
  /** Told when what the notary can do has changed: another issuer, ready or not. */
  changed(status: NotaryStatus | undefined): void;
}

/** How often the notary is asked while all is well; a lost connection is noticed by the first call that needs it. */
const HOUR_MS = 3_600_000;
const POLL_MS = 15_000;
/** A wrong PIN must not be tried again and again, but a token that was plugged in should be found soon. */
const NOT_READY_POLL_MS = 3_000;
/** Certificates are valid from five minutes before their issue; a clock further off makes them useless elsewhere. */
export const SKEW_LIMIT_MS = 4 * 60_000;

/** Reconciles this node's EdgeDevice: tells the notary what the spec asks for, and writes what it says into status. */
export class NodeDevice {
  readonly #ports: NodeDevicePorts;
  #status: NotaryStatus | undefined;
  #written = '';
  #announced = '';

  constructor(ports: NodeDevicePorts) {
    this.#ports = ports;
  }

  /** What the notary said last; undefined while it has not answered. */
  get notary(): NotaryStatus | undefined {
    return this.#status;
  }

  async reconcile(): Promise<{ requeueAfterMs: number }> {
    const device = this.#ports.device();
    const status = device ? await this.#configure(device) : undefined;
    this.#status = status;
    // What is shown of it may be older for a moment; the next look is due soon.
    await this.#ports.revocation.follow(status?.revocation).catch(() => undefined);
    const { ready, issuer, tokens } = status ?? {};
    const announcement = JSON.stringify([ready, issuer?.chain, issuer?.anchors, tokens]);
    if (announcement !== this.#announced) {
      this.#announced = announcement;
      this.#ports.changed(status);
    }
    if (device) await this.#write(device, status);
    return { requeueAfterMs: status?.ready ? POLL_MS : NOT_READY_POLL_MS };
  }

  async #configure(device: EdgeDevice): Promise<NotaryStatus> {
    try {
      return await this.#ports.notary.configure(notaryConfiguration(device, this.#ports.node, this.#ports.program));
    } catch (error) {
      const { code, message } = asKeysteadError(error);
      // The issuer was there a moment ago: certificates and the bundle that it signed stay good.
      const { issuer, tokens } = this.#status ?? {};
      const kept = { ...(issuer && { issuer }), ...(tokens && { tokens }) };
      return { protocol: 1, version: '', ready: false, reason: code, message, ...kept };
    }
  }

  async #write(device: EdgeDevice, notary: NotaryStatus | undefined): Promise<void> {
    const status = deviceStatus(device, {
      notary,
      attester: await this.#ports.attest(device),
      lists: this.#ports.revocation.lists,
      skewMs: this.#ports.clockSkewMs(),
      platform: this.#ports.platform(),
      integrity: this.#ports.integrity(),
      now: this.#ports.clock.now(),
    });
    const text = JSON.stringify([device.metadata.uid, status]);
    if (text === this.#written) return;
    await this.#ports.apply(status);
    this.#written = text;
  }
}

interface Observed {
  readonly notary: NotaryStatus | undefined;
  readonly attester?: EdgeDeviceStatusAttester | undefined;
  readonly lists?: RevocationLists | undefined;
  readonly skewMs: number | undefined;
  readonly platform: Record<string, string>;
  readonly integrity: NodeIntegrity | undefined;
  readonly now: number;
}

/** EdgeDevice.status as this node sees itself. Pure. */
export function deviceStatus(device: EdgeDevice, observed: Observed): Record<string, unknown> {
  const { notary, skewMs } = observed;
  const generation = device.metadata.generation ?? 0;
  const conditions = [rootOfTrustReady(notary), issuerReady(notary), tokenKeyReady(notary), clockSynchronized(skewMs)];
  return {
    observedGeneration: generation,
    conditions: [readiness(observed.integrity, conditions, readyMessage(notary)), ...conditions].reduce<
      readonly Condition[]
    >(
      (all, condition) => setCondition(all, { ...condition, observedGeneration: generation }, new Date(observed.now)),
      (device.status?.conditions ?? []).filter(({ type }) => type !== INTEGRITY_VERIFIED),
    ),
    platform: platformEntry(observed),
    ...(notary && tokenEntries(notary)),
    ...keyEntries(notary),
    ...(notary && inventoryEntries(notary)),
    ...(observed.attester && { attester: observed.attester }),
    ...revocationStatus(observed.lists, notary?.revocation?.failure),
    ...(skewMs !== undefined && { clockSkewSeconds: Math.round(skewMs / 10_000) * 10 }),
  };
}

function platformEntry({ platform, notary }: Observed): Record<string, string> {
  const { version, programSha256: program } = notary ?? {};
  return { ...platform, ...(version && { notaryVersion: version }), ...(program && { notaryProgram: program }) };
}

function readyMessage(notary: NotaryStatus | undefined): string {
  const caveat = notary?.token?.kind === 'Software' ? ' Its keys are SOFTWARE.' : '';
  return `The node can issue identities.${caveat}`;
}

function tokenEntries({ token, moduleToken }: NotaryStatus): Record<string, unknown> {
  return { ...(token && { token }), ...(moduleToken && { moduleToken }) };
}

function keyEntries({ issuer, tokens }: Partial<NotaryStatus> = {}): Record<string, unknown> {
  return {
    ...(issuer && { issuer: issuerEntry(issuer) }),
    ...(tokens && { tokenKeys: tokens.keys.map(tokenKeyEntry) }),
  };
}

function inventoryEntries({ keys, keyCount }: NotaryStatus): Record<string, unknown> {
  return keys ? { keys: keys.map(keyEntry), keyCount } : {};
}

/** The last use to the hour: each other moment would be another status. */
function keyEntry({ created, lastUsed, ...key }: KeyStatus): Record<string, unknown> {
  return {
    ...key,
    ...(created !== undefined && { created: timestamp(created) }),
    ...(lastUsed !== undefined && { lastUsed: timestamp(lastUsed - (lastUsed % HOUR_MS)) }),
  };
}

function issuerEntry(issuer: NonNullable<NotaryStatus['issuer']>): Record<string, unknown> {
  const { keyUri, notBefore, notAfter, ...rest } = issuer;
  return {
    ...rest,
    keyURI: keyUri,
    fingerprint: new X509Certificate(issuer.chain).fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: timestamp(notBefore),
    notAfter: timestamp(notAfter),
  };
}

function tokenKeyEntry({ keyId, state, until, jwk, keyUri, ...residency }: TokenKeyStatus): Record<string, unknown> {
  const { x, y } = jwk;
  return { keyID: keyId, state, until: timestamp(until), x, y, ...(keyUri && { keyURI: keyUri }), ...residency };
}

const SOFTWARE = 'The keys are SOFTWARE: encrypted files on the node. They prove nothing about the device.';

/** Where a key lives, for a sentence. */
function holder({ token }: NotaryStatus): string {
  return token?.kind === 'Software' ? 'held in SOFTWARE' : 'held by the token';
}

type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Sums up root of trust and issuer, the first two conditions, and measured boot where that is enforced. */
function readiness(integrity: NodeIntegrity | undefined, conditions: readonly Finding[], message: string): Finding {
  const refusal = refusalByIntegrity(integrity);
  if (refusal) return { type: 'Ready', status: 'False', reason: refusal.reason, message: refusal.message };
  const failing = conditions.slice(0, 2).find(({ status }) => status !== 'True');
  if (failing) return { ...failing, type: 'Ready' };
  return { type: 'Ready', status: 'True', reason: 'Ready', message };
}

function rootOfTrustReady(notary: NotaryStatus | undefined): Finding {
  const type = 'RootOfTrustReady';
  if (!notary) return { type, status: 'Unknown', reason: 'NotaryUnknown', message: 'The notary has not answered yet.' };
  if (notary.token && notary.ready) {
    if (notary.token.kind === 'Software') return { type, status: 'True', reason: 'SoftwareKeys', message: SOFTWARE };
    return { type, status: 'True', reason: 'TokenOpen', message: `Token ${notary.token.label} is open.` };
  }
  return {
    type,
    status: 'False',
    reason: notary.reason ?? 'NotReady',
    message: notary.message ?? 'The notary is not ready.',
  };
}

function issuerReady(notary: NotaryStatus | undefined): Finding {
  const type = 'IssuerReady';
  if (!notary?.issuer || !notary.ready) {
    return {
      type,
      status: 'False',
      reason: notary?.reason ?? 'NoIssuer',
      message: notary?.message ?? 'There is no issuing key yet.',
    };
  }
  return {
    type,
    status: 'True',
    reason: 'KeyHeld',
    message: `The issuing key ${notary.issuer.keyUri} is ${holder(notary)}.`,
  };
}

function tokenKeyReady(notary: NotaryStatus | undefined): Finding {
  const type = 'TokenKeyReady';
  const { ready = false, tokens, reason = 'NoTokenKey', message = 'There is no token signing key yet.' } = notary ?? {};
  const uri = tokens?.keys.find(({ state }) => state === 'Current')?.keyUri;
  if (notary && ready && uri !== undefined) {
    return { type, status: 'True', reason: 'KeyHeld', message: `The key ${uri} is ${holder(notary)}.` };
  }
  const failure = tokens?.failure ?? { code: reason, message };
  return { type, status: 'False', reason: failure.code, message: failure.message };
}

function clockSynchronized(skewMs: number | undefined): Finding {
  const type = 'ClockSynchronized';
  if (skewMs === undefined)
    return { type, status: 'Unknown', reason: 'NotMeasured', message: 'The API server has not answered yet.' };
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (Math.abs(skewMs) <= SKEW_LIMIT_MS) {
    return { type, status: 'True', reason: 'WithinTolerance', message: 'The clock agrees with the API server.' };
  }
  const direction = skewMs > 0 ? 'behind' : 'ahead of';
  const message = `The node's clock is ${seconds} s ${direction} the API server's. Certificates issued here are valid by this clock: set it right (NTP), or peers will refuse them.`;
  return { type, status: 'False', reason: 'ClockSkewed', message };
}
