// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { until, type KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import type { Target } from './target.ts';

/** Waits for every node's EdgeDevice and tells what its keys are rooted in. Throws where a key could leave its token. */
export async function showDevices({ kubectl }: Target, say: (line: string) => void): Promise<void> {
  const devices = await until('EdgeDevices Ready', 120, async () => {
    const found = await kubectl.list<EdgeDevice & KubeObject>(['edgedevices']);
    if (found.length === 0) return 'the controller has made no EdgeDevice yet';
    const waiting = found.find((device) => !isReady(device));
    return waiting ? `${waiting.metadata.name}: ${readiness(waiting)}` : found;
  });
  for (const device of devices) {
    for (const line of describe(device)) say(line);
    const { token, issuer } = device.status ?? {};
    if (!token?.label || issuer?.extractable !== false || !issuer.sensitive) {
      throw new QuickstartError(
        `EdgeDevice ${device.metadata.name} does not report a token with a sensitive key that cannot leave it`,
      );
    }
  }
}

function describe({ metadata, spec, status }: EdgeDevice & KubeObject): string[] {
  const { token = {}, issuer = {} } = status ?? {};
  return [
    `EdgeDevice ${metadata.name}: Ready, trust domain ${spec.trustDomain}`,
    `  token   ${text(token.label)} (${text(token.manufacturer)}, ${text(token.model)}, serial ${text(token.serial)})`,
    `  key     ${text(issuer.keyURI)}`,
    `  key     ${text(issuer.algorithm)}, sensitive: ${yesNo(issuer.sensitive)}, extractable: ${yesNo(issuer.extractable)}`,
    `  issuer  SHA-256 ${text(issuer.fingerprint)}, until ${text(issuer.notAfter)}`,
  ];
}

interface Conditioned {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** Whether the condition Ready is True. */
export function isReady({ status }: Conditioned): boolean {
  return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
}

/** Reason and message of the condition Ready. */
export function readiness({ status }: Conditioned): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready ? `Ready is ${ready.status}: ${ready.reason}: ${ready.message}` : 'it has no condition Ready yet';
}

function text(value: string | undefined): string {
  return value ?? '(not reported)';
}

function yesNo(value: boolean | undefined): string {
  return value === undefined ? '(not reported)' : value ? 'yes' : 'no';
}
