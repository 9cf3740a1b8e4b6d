// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrustBundle } from '../../src/api/v1alpha1/index.ts';
import { run } from '../lab/command.ts';
import { DEMO_NAMESPACE, expectedId, MODULES, type ModuleName } from './demo.ts';
import { TRUST_DOMAIN } from './install.ts';
import { until, type KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import type { Holder } from './show-modules.ts';
import type { Target } from './target.ts';
import { volumeFiles } from './volume.ts';

/**
 * Has openssl verify the certificate that lies in each module's volume against the trust bundle of the cluster, which
 * came another way, and shows what is in it.
 */
export async function showCertificates(
  target: Target,
  holders: Readonly<Record<ModuleName, Holder>>,
  say: (line: string) => void,
): Promise<void> {
  const anchors = await trustAnchors(target);
  for (const name of MODULES) {
    const { podUid, pod, node } = holders[name];
    const files = await volumeFiles(target, podUid, node);
    const chain = files['tls.crt'];
    if (!chain)
      throw new QuickstartError(
        `there is no tls.crt in the volume of ${DEMO_NAMESPACE}/${pod}, only ${Object.keys(files).join(', ')}`,
      );
    say(`tls.crt in the volume of ${pod} (files: ${Object.keys(files).sort().join(' ')})`);
    say(`  openssl verify: ${await opensslVerify(chain, anchors)}`);
    const leaf = new X509Certificate(chain);
    say(`  subject alternative name ${leaf.subjectAltName ?? 'none'}`);
    say(`  serial ${leaf.serialNumber}, ${leaf.validFrom} to ${leaf.validTo}`);
    if (
      leaf.subjectAltName
        ?.split(', ')
        .filter((entry) => entry.startsWith('URI:'))
        .join() !== `URI:${expectedId(name)}`
    ) {
      throw new QuickstartError(
        `the certificate of ${name} says ${leaf.subjectAltName ?? 'nothing'}, not ${expectedId(name)}`,
      );
    }
  }
}

async function trustAnchors({ kubectl }: Target): Promise<string> {
  return until(`TrustBundle ${TRUST_DOMAIN}`, 30, async () => {
    const bundle = await kubectl.find<TrustBundle & KubeObject>(['trustbundle', TRUST_DOMAIN]);
    const pem = bundle?.status?.certificates;
    return pem ? { pem } : 'it holds no certificates';
  }).then(({ pem }) => pem);
}

/** The last line of `openssl verify`, which is `<file>: OK`. Throws where it is not. */
async function opensslVerify(chain: string, anchors: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keystead-verify-'));
  try {
    const [chainFile, anchorFile] = [join(folder, 'tls.crt'), join(folder, 'trust-bundle.pem')];
    await writeFile(chainFile, chain);
    await writeFile(anchorFile, anchors);
    const args = [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      anchorFile,
      '-untrusted',
      chainFile,
      chainFile,
    ];
    const said = await run('openssl', args);
    return said.trim().replace(`${folder}/`, '');
  } catch (error) {
    throw new QuickstartError(`openssl does not accept the certificate: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
