// SPDX-License-Identifier: Apache-2.0
import { durationSeconds } from '../src/api/duration.ts';
import type {
  EdgeDevice,
  EdgeDeviceSpec,
  EdgeDeviceSpecIssuer,
  EdgeDeviceSpecRootOfTrust,
  EdgeDeviceSpecRootOfTrustModules,
} from '../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../src/errors.ts';
import type { IssuerSettings, NotaryConfiguration, RootChoice, RootsChoice } from '../src/notary/port.ts';

const TPM_DEVICE = '/dev/tpmrm0';
/** Application support (PC Client Platform TPM Profile, 4.6.1): of no firmware, boot loader or kernel. */
const DEFAULT_APPLICATION_PCR = 23;

/** What EdgeDevice.spec asks of the notary; `program` is the SHA-256 of the agent's own, hexadecimal. Throws InvalidConfiguration where it names no issuer or root of trust. */
export function notaryConfiguration({ spec }: EdgeDevice, node: string, program?: string): NotaryConfiguration {
  return {
    trustDomain: spec.trustDomain,
    node,
    rootOfTrust: rootsChoice(spec.rootOfTrust),
    issuer: issuerSettings(spec.issuer),
    masterSecretVersion: spec.masterSecret.version,
    tokens: {
      keyLifetimeSeconds: durationSeconds(spec.tokens.keyLifetime),
      maxSeconds: durationSeconds(spec.tokens.maxLifetime),
      ...rotation(spec.tokens.rotateBefore),
    },
    ...measuredBoot(spec, program),
  };
}

/** Programs are measured wherever a TPM is used, quotes or not. */
function measuredBoot(
  { measuredBoot: boot, rootOfTrust }: EdgeDeviceSpec,
  program: string | undefined,
): Pick<NotaryConfiguration, 'measuredBoot'> {
  if (!boot && !rootOfTrust.tpm) return {};
  const { tpm, applicationPCR = DEFAULT_APPLICATION_PCR } = boot ?? {};
  const place = tpm && { ...(tpm.socket === undefined && { device: TPM_DEVICE }), ...tpm };
  const agent = program === undefined ? {} : { agentProgram: program };
  return { measuredBoot: { ...(place && { tpm: place }), applicationPcr: applicationPCR, ...agent } };
}

function issuerSettings({ selfSigned, preloaded, maxLeafLifetime }: EdgeDeviceSpecIssuer): IssuerSettings {
  const maxLeafSeconds = durationSeconds(maxLeafLifetime);
  if (preloaded) {
    const { keyURI: keyUri, ...certificates } = preloaded;
    return { preloaded: { keyUri, ...certificates }, maxLeafSeconds };
  }
  if (selfSigned) {
    const { keyAlgorithm: algorithm, lifetime, rotateBefore } = selfSigned;
    return { algorithm, lifetimeSeconds: durationSeconds(lifetime), maxLeafSeconds, ...rotation(rotateBefore) };
  }
  const message = 'EdgeDevice.spec.issuer names no issuer: set selfSigned or preloaded.';
  throw new KeysteadError('InvalidConfiguration', message);
}

function rotation(time: string | undefined): { rotateBefore?: number } {
  return time === undefined ? {} : { rotateBefore: Date.parse(time) };
}

function rootsChoice({ modules, ...own }: EdgeDeviceSpecRootOfTrust): RootsChoice {
  return { ...rootChoice(own), ...(modules && { modules: rootChoice(modules) }) };
}

function rootChoice({ pkcs11, tpm, software }: EdgeDeviceSpecRootOfTrustModules): RootChoice {
  if (pkcs11) return { pkcs11 };
  if (software) return { software };
  if (tpm) {
    const { storageHandle, ...rest } = tpm;
    const place = tpm.device === undefined && tpm.socket === undefined && { device: TPM_DEVICE };
    return { tpm: { ...place, ...rest, storageHandle: Number(storageHandle) } };
  }
  const message = 'EdgeDevice.spec.rootOfTrust names no root of trust: set pkcs11, tpm or software.';
  throw new KeysteadError('InvalidConfiguration', message);
}
