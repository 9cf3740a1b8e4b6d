// SPDX-License-Identifier: Apache-2.0
import { setCondition } from '../src/api/conditions.ts';
import type { EdgeDevice, TrustBundle, TrustBundleStatus } from '../src/api/v1alpha1/index.ts';
import { configMaps, type KubeClient, type Result } from '../src/kube/index.ts';
import type { Finding } from '../src/module/status.ts';
import type { Clock } from '../src/os/clock.ts';
import { bundlePem, type AnchorSource } from '../src/trust/anchors.ts';
import { bundleContent, deviceSources, type BundleContent } from '../src/trust/bundle.ts';
import { byIntegrity, namesIn, type DevicesByIntegrity } from '../src/trust/refused-devices.ts';
import { isSpiffeBundle, readSpiffeBundle, spiffeBundle } from '../src/trust/spiffe-bundle.ts';
import { crlCount } from '../src/trust/revocation-lists.ts';
import { jwksText, keysIn } from '../src/trust/token-keys.ts';
import type { Cache } from './cache.ts';
import type { StatusWriter } from './status-writer.ts';
import { bytesIn, TO_SHRINK, type TrustBundleTargets } from './trust-bundle-targets.ts';

export interface TrustBundlePorts {
  readonly clock: Clock;
  readonly client: Pick<KubeClient, 'find'>;
  readonly status: Pick<StatusWriter<TrustBundle>, 'latest' | 'write' | 'forget'>;
  readonly targets: Pick<TrustBundleTargets, 'write'>;
  readonly bundles: Cache<TrustBundle>;
  readonly devices: Cache<EdgeDevice>;
}

/** ClusterTrustBundles are not watched; one that somebody changed is set right after this. */
const CHECK_MS = 600_000;

/** Reconciles TrustBundles: joins the sources, says in status what the bundle holds, writes the targets. */
export class TrustBundles {
  readonly #ports: TrustBundlePorts;

  constructor(ports: TrustBundlePorts) {
    this.#ports = ports;
  }

  async reconcile(key: string): Promise<Result> {
    const cached = this.#ports.bundles.get(key);
    if (!cached || cached.metadata.deletionTimestamp !== undefined) {
      this.#ports.status.forget(key);
      return {};
    }
    const bundle = this.#ports.status.latest(cached);
    const now = this.#ports.clock.now();
    const { sources: others, unreadable } = await this.#read(bundle);
    const present = ofDevices(bundle, others, now);
    const devices = byIntegrity(devicesOf(bundle, this.#ports.devices.list()), { present, now });
    const sources = [...deviceSources(bundle.spec.trustDomain, devices.trusted), ...others];
    const refused = deviceSources(bundle.spec.trustDomain, devices.refused);
    const { certificates: last = '', jwks, crl: lastCrls = '' } = bundle.status ?? {};
    const content = bundleContent(sources, {
      ...{ unreadable, last, lastKeys: keysIn(jwks), lastCrls, refused, now },
    });
    const pem = bundlePem(content.anchors);
    const sequence = nextSequence(bundle, content);
    const tooLarge = sizeRefusal(content, sources);
    if (tooLarge) {
      // What it held before stays, here and in the targets: the API server takes no more.
      await this.#ports.status.write(bundle, unchanged(bundle, tooLarge, new Date(now)));
      return { requeueAfterMs: CHECK_MS };
    }
    const refusals =
      pem === '' && (refused.length === 0 || last === '')
        ? []
        : await this.#ports.targets.write(bundle, {
            pem,
            json: spiffeBundle({ ...content, sequence }),
            crls: content.crls,
          });
    const finding = readiness(content, refusals, notesOn(devices));
    await this.#ports.status.write(bundle, statusOf(bundle, content, { finding, sequence, now: new Date(now) }));
    const untilChange = Math.min(...[content.changesAt, devices.changesAt].map((at) => (at ?? Infinity) - now));
    return { requeueAfterMs: Math.max(1000, Math.min(untilChange + 1000, CHECK_MS * (1 + Math.random() / 5))) };
  }

  /** Sources that are no devices. */
  async #read({ spec }: TrustBundle): Promise<{ sources: AnchorSource[]; unreadable: string[] }> {
    const sources: AnchorSource[] = [];
    const unreadable: string[] = [];
    const add = (name: string, text: string): void => {
      if (!isSpiffeBundle(text)) return void sources.push({ name, pem: text });
      const { problems, ...read } = readSpiffeBundle(name, text);
      unreadable.push(...problems);
      if (problems.length === 0) sources.push({ name, ...read });
    };
    for (const [index, { inline, configMap }] of spec.sources.entries()) {
      if (inline) add(`Inline source ${index + 1}`, inline.spiffeBundle ?? inline.pem ?? '');
      if (!configMap) continue;
      const { namespace, name, key } = configMap;
      const found = await this.#ports.client.find(configMaps, { namespace, name });
      const text = found?.data?.[key];
      if (text !== undefined) add(`ConfigMap ${namespace}/${name}, key ${key}`, text);
      else
        unreadable.push(
          `ConfigMap ${namespace}/${name} ${found ? `has no key ${key}` : 'does not exist'}: create it, or take the source out.`,
        );
    }
    return { sources, unreadable };
  }
}

function readiness(
  { anchors, problems }: BundleContent,
  refusals: readonly { reason: string; message: string }[],
  notes: string,
): Finding {
  const count = `${anchors.length} trust anchors`;
  if (anchors.length === 0) return { status: 'False', reason: 'NoAnchors', message: `${problems.join(' ')}${notes}` };
  if (problems.length > 0) {
    const message = `${problems.join(' ')} The anchors that the bundle had before stay in it until this is set right.${notes}`;
    return { status: 'False', reason: 'SourceInvalid', message };
  }
  const [first] = refusals;
  if (!first) {
    const message = `${count} are in the bundle and in all its targets.${notes}`;
    return { status: 'True', reason: 'Ready', message };
  }
  const more = refusals.length > 1 ? ` And ${refusals.length - 1} more targets.` : '';
  return { status: 'False', reason: first.reason, message: `${first.message}${more}` };
}

/** Below what the API server takes of one object, 1.5 MiB, with room for the rest of it. */
const MAX_STATUS_BYTES = 1024 * 1024;

/** Set where the content has no room in the bundle's status, which is where nodes read it. */
function sizeRefusal(content: BundleContent, sources: readonly AnchorSource[]): Finding | undefined {
  const { anchors, keys, crls, revokedTokens } = content;
  const bytes = bytesIn([bundlePem(anchors), jwksText(keys), crls, ...revokedTokens]);
  if (bytes <= MAX_STATUS_BYTES) return undefined;
  const message = `The bundle would have ${bytes} bytes, more than ${MAX_STATUS_BYTES}: it stays as it is, without new trust anchors and revocations. Most comes from ${largest(sources)}. ${TO_SHRINK}`;
  return { status: 'False', reason: 'BundleTooLarge', message };
}

/** One node could fill the bundle to keep out what others have revoked: it is named. */
function largest(sources: readonly AnchorSource[]): string {
  const sized = sources.map(({ name, pem, crls = '', revokedTokens = [] }) => {
    return { name, bytes: bytesIn([pem, crls, ...revokedTokens]) };
  });
  const { name, bytes } = sized.reduce((left, right) => (right.bytes > left.bytes ? right : left), {
    name: '',
    bytes: 0,
  });
  return `${name} (${bytes} bytes)`;
}

function unchanged({ metadata, status }: TrustBundle, finding: Finding, now: Date): TrustBundleStatus {
  const observedGeneration = metadata.generation ?? 0;
  const conditions = setCondition(status?.conditions, { type: 'Ready', ...finding, observedGeneration }, now);
  return { ...status, observedGeneration, conditions };
}

/** What the bundle holds that no other source gives: only by that can a device have been in it before. */
function ofDevices({ status }: TrustBundle, others: readonly AnchorSource[], now: number): ReadonlySet<string> {
  const elsewhere = new Set(namesIn(others, now));
  const held = [...(status?.fingerprints ?? []), ...keysIn(status?.jwks).map(({ kid }) => kid)];
  return new Set(held.filter((name) => !elsewhere.has(name)));
}

const MOST_NAMED = 5;

/** The devices that a bundle takes anchors of. */
function devicesOf({ spec }: TrustBundle, devices: readonly EdgeDevice[]): readonly EdgeDevice[] {
  if (!spec.sources.some((source) => source.devices)) return [];
  return devices.filter((device) => device.spec.trustDomain === spec.trustDomain);
}

/** What an anchor of a device is worth, where that is not plain. */
function notesOn({ trusted, refused }: Pick<DevicesByIntegrity, 'trusted' | 'refused'>): string {
  const software = trusted.filter(({ status }) => status?.token?.kind === 'Software');
  const out = 'Left out since measured boot is enforced and has not verified the node (rule NodeTrusted)';
  return note('SOFTWARE keys, which prove nothing about the device', software) + note(out, refused);
}

function note(what: string, devices: readonly EdgeDevice[]): string {
  if (devices.length === 0) return '';
  const names = devices.map(({ metadata }) => metadata.name ?? '').sort();
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return ` ${what}: ${names.slice(0, MOST_NAMED).join(', ')}${more}.`;
}

function statusOf(
  { metadata, status }: TrustBundle,
  { anchors, keys, crls, revokedTokens }: BundleContent,
  { finding, sequence, now }: { finding: Finding; sequence: number; now: Date },
): TrustBundleStatus {
  const observedGeneration = metadata.generation ?? 0;
  return {
    observedGeneration,
    conditions: setCondition(status?.conditions, { type: 'Ready', ...finding, observedGeneration }, now),
    certificates: bundlePem(anchors),
    count: anchors.length,
    fingerprints: anchors.map(({ fingerprint }) => fingerprint),
    jwks: jwksText(keys),
    tokenKeys: keys.length,
    crl: crls,
    crls: crlCount(crls),
    ...(revokedTokens.length > 0 && { revokedTokens: [...revokedTokens] }),
    sequence,
  };
}

/** One more than before where the bundle says something else than before. */
function nextSequence({ status }: TrustBundle, { anchors, keys }: BundleContent): number {
  const { certificates = '', jwks = jwksText([]), sequence = 0 } = status ?? {};
  return certificates === bundlePem(anchors) && jwks === jwksText(keys) ? sequence : sequence + 1;
}
