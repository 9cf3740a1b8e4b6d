// SPDX-License-Identifier: Apache-2.0
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../attest/port.ts';
import { KeysteadError } from '../errors.ts';
import type { FoundSignature, SignatureStore, SignedImage } from './port.ts';

/**
 * Signatures in a folder, for nodes that cannot reach a registry: a file for each digest, `sha256-<hex>.json`, with one
 * Sigstore bundle, or with what `cosign download signature IMAGE` prints, one signature a line. A signature proves
 * itself, so nobody need guard the folder.
 */
export class SignatureFolder implements SignatureStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async find({ index, manifest }: SignedImage): Promise<readonly FoundSignature[]> {
    const digests = [index, manifest].filter((digest) => digest !== undefined);
    return (await Promise.all(digests.map((digest) => this.#read(digest)))).flat();
  }

  /** Keeps signatures of a digest, complete or not at all. */
  async keep(digest: Digest, found: readonly FoundSignature[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#file(digest);
    await writeFile(`${file}.new`, found.map((signature) => `${JSON.stringify(encode(signature))}\n`).join(''));
    await rename(`${file}.new`, file);
  }

  async #read(digest: Digest): Promise<FoundSignature[]> {
    const file = this.#file(digest);
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw new KeysteadError('Unavailable', `signatures in ${file} cannot be read: ${String(error)}`, {
        cause: error,
      });
    });
    try {
      return documents(text).map(decode);
    } catch (cause) {
      const expected = 'a Sigstore bundle, or what cosign download signature prints';
      throw new KeysteadError('Unavailable', `signatures in ${file}: expected ${expected}, found something else`, {
        cause,
      });
    }
  }

  #file(digest: Digest): string {
    return join(this.#folder, `${digest.replace(':', '-')}.json`);
  }
}

/** As `cosign download signature` writes it. */
interface Line {
  readonly Base64Signature: string;
  readonly Payload: string;
  readonly Cert?: unknown;
  readonly Chain?: unknown;
  readonly Bundle?: unknown;
}

function documents(text: string): unknown[] {
  if (text.trim() === '') return [];
  try {
    return [JSON.parse(text) as unknown];
  } catch {
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as unknown);
  }
}

function decode(document: unknown): FoundSignature {
  if (typeof (document as Partial<Line>).Base64Signature !== 'string') return { format: 'Bundle', bundle: document };
  const { Base64Signature, Payload, Cert, Chain, Bundle } = document as Line;
  return {
    format: 'SimpleSigning',
    payload: Buffer.from(Payload, 'base64'),
    signature: Buffer.from(Base64Signature, 'base64'),
    certificates: `${pem(Cert)}\n${pem(Chain)}`,
    logEntry: Bundle ? JSON.stringify(Bundle) : '',
  };
}

/** Some versions print PEM, some an object of Go's x509. */
function pem(value: unknown): string {
  if (typeof value === 'string') return value;
  const raw = (value as { readonly Raw?: unknown } | null | undefined)?.Raw;
  return typeof raw === 'string' ? `-----BEGIN CERTIFICATE-----\n${raw}\n-----END CERTIFICATE-----` : '';
}

function encode(found: FoundSignature): unknown {
  if (found.format === 'Bundle') return found.bundle;
  return {
    Base64Signature: found.signature.toString('base64'),
    Payload: found.payload.toString('base64'),
    Cert: found.certificates,
    Bundle: found.logEntry === '' ? undefined : (JSON.parse(found.logEntry) as unknown),
  };
}
