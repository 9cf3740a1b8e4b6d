// SPDX-License-Identifier: Apache-2.0
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema, anyPack, type Any } from '@bufbuild/protobuf/wkt';
import type { NodeSchema } from '../../gen/envoy/config/core/v3/base_pb.js';
import {
  SecretSchema,
  SPIFFECertValidatorConfigSchema,
} from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { KeysteadError } from '../../errors.ts';
import type { DomainBundle } from '../port.ts';
import { foreignBundles, ownBundles, visibleBundles } from '../spiffe/bundles.ts';
import { currentLeaves, type Leaf } from '../spiffe/leaf.ts';
import type { X509Content } from '../spiffe/x509-messages.ts';

/** Names that SPIRE gives them, so that an Envoy's configuration stays as it is. */
export const DEFAULT_CERTIFICATE = 'default';
export const DEFAULT_BUNDLE = 'ROOTCA';
export const ALL_BUNDLES = 'ALL';

const SECRET_TYPE = `type.googleapis.com/${SecretSchema.typeName}`;
const SPIFFE_VALIDATOR = 'envoy.tls.cert_validator.spiffe';

type SecretContent = NonNullable<MessageInitShape<typeof SecretSchema>['type']>;
type Node = MessageInitShape<typeof NodeSchema>;

export interface SecretQuestion {
  /** Empty: all that there is. */
  readonly names: readonly string[];
  /** Whether the Envoy has the validator that knows one bundle for each trust domain. */
  readonly spiffeValidator: boolean;
}

/**
 * Secrets of an Envoy beside a module: its certificates by SPIFFE ID, `default` for the first; bundles by the SPIFFE ID of
 * their trust domain, `ROOTCA` for its own, `ALL` for every one that it may see.
 * @throws KeysteadError `InvalidRequest` for a name that is none of the caller's; `Unavailable` as the Workload API does.
 */
export function secrets({ names, spiffeValidator }: SecretQuestion, content: X509Content): Any[] {
  const known = knownSecrets(content, spiffeValidator);
  const wanted = names.length === 0 ? [...known.keys()].filter((name) => !ALIASES.includes(name)) : names;
  return wanted.map((name) => {
    const secret = known.get(name);
    if (secret === undefined) throw unknownName(name, [...known.keys()]);
    return packed(name, secret());
  });
}

const ALIASES = [DEFAULT_CERTIFICATE, DEFAULT_BUNDLE, ALL_BUNDLES];

/** Envoy has had the SPIFFE validator since 1.18; one that does not say its version is taken for an older one, as SPIRE does. */
export function hasSpiffeValidator(node: Node | undefined): boolean {
  const agent = node?.userAgentVersionType;
  if (agent?.case !== 'userAgentBuildVersion') return false;
  const { majorNumber = 0, minorNumber = 0 } = agent.value.version ?? {};
  return majorNumber > 1 || (majorNumber === 1 && minorNumber >= 18);
}

/** Made only when asked for. */
function knownSecrets(content: X509Content, spiffeValidator: boolean): ReadonlyMap<string, () => SecretContent> {
  const { first, now, ...trusting } = content;
  // Envoy signs by itself: an identity whose key stays in the token is not for it.
  const leaves = currentLeaves(trusting.served, first, now).filter(({ credentials }) => credentials.privateKey);
  const known = new Map<string, () => SecretContent>();
  const context = (bundles: ReadonlyMap<string, DomainBundle>): SecretContent =>
    spiffeValidator ? validatorOf(bundles) : anchorsOf(bundles);
  for (const leaf of leaves) known.set(leaf.spiffeId, () => certificate(leaf));
  for (const [id, bundle] of visibleBundles(trusting)) known.set(id, () => context(new Map([[id, bundle]])));
  const [leaf] = leaves;
  if (leaf) known.set(DEFAULT_CERTIFICATE, () => certificate(leaf));
  known.set(DEFAULT_BUNDLE, () => context(ownBundles(trusting)));
  // One list of anchors for all trust domains would let each speak for the others.
  if (spiffeValidator)
    known.set(ALL_BUNDLES, () => context(new Map([...ownBundles(trusting), ...foreignBundles(trusting)])));
  return known;
}

function certificate({ credentials }: Leaf): SecretContent {
  const value = { certificateChain: inline(credentials.chain), privateKey: inline(credentials.privateKey ?? '') };
  return { case: 'tlsCertificate', value };
}

function anchorsOf(bundles: ReadonlyMap<string, DomainBundle>): SecretContent {
  const [bundle] = bundles.values();
  return { case: 'validationContext', value: { trustedCa: inline(bundle?.anchors ?? '') } };
}

function validatorOf(bundles: ReadonlyMap<string, DomainBundle>): SecretContent {
  const trustDomains = [...bundles].map(([id, { anchors }]) => ({
    name: id.slice('spiffe://'.length),
    trustBundle: inline(anchors),
  }));
  const config = create(SPIFFECertValidatorConfigSchema, { trustDomains });
  const typedConfig = anyPack(SPIFFECertValidatorConfigSchema, config);
  return { case: 'validationContext', value: { customValidatorConfig: { name: SPIFFE_VALIDATOR, typedConfig } } };
}

function packed(name: string, type: SecretContent): Any {
  const value = toBinary(SecretSchema, create(SecretSchema, { name, type }));
  return create(AnySchema, { typeUrl: SECRET_TYPE, value });
}

const inline = (pem: string): { specifier: { case: 'inlineBytes'; value: Uint8Array } } => ({
  specifier: { case: 'inlineBytes', value: Buffer.from(pem) },
});

function unknownName(name: string, known: readonly string[]): KeysteadError {
  return new KeysteadError('InvalidRequest', `SecretUnknown: expected one of ${known.join(', ')}; found ${name}`);
}
