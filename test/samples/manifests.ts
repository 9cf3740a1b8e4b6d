// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the sample manifests leave open. */
export interface ManifestValues {
  readonly NAMESPACE: string;
  readonly TRUST_DOMAIN: string;
  /** `repository@sha256:…` */
  readonly GREETER_IMAGE: string;
  readonly IMPOSTOR_IMAGE: string;
}

/** A sample manifest with its `${NAME}`s filled in. Throws for a name that has no value. */
export async function sampleManifest(
  name: 'namespace' | 'modules' | 'impostor',
  values: ManifestValues,
): Promise<string> {
  const text = await readFile(join(import.meta.dirname, 'greeter/manifests', `${name}.yaml`), 'utf8');
  return text.replace(/\$\{([A-Z_]+)\}/g, (_match, key: string) => {
    const value: string | undefined = (values as unknown as Record<string, string>)[key];
    if (value === undefined) throw new Error(`${name}.yaml asks for ${key}, which has no value`);
    return value;
  });
}
