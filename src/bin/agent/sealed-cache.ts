// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import { pause } from '../../kube/back-off.ts';
import type { Logger } from '../../log.ts';
import type { HubCipherRequest } from '../../notary/hub-port.ts';
import type { Requester } from '../../notary/port.ts';
import { errnoOf, writeDurably } from '../../os/files.ts';
import type { AgentCaches } from './caches.ts';

export interface SealedCacheParts {
  readonly stateDir: string;
  readonly node: string;
  readonly caches: AgentCaches;
  /** The notary's: wraps the key of the file, so that it can be read and forged with this node's token alone. */
  readonly notary: {
    hubEncrypt(request: HubCipherRequest): Promise<Buffer>;
    hubDecrypt(request: HubCipherRequest): Promise<Buffer>;
  };
  readonly log: Logger;
  /** How long the API server may take at the agent's start before the copy is looked at, milliseconds. Default 3000. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 3_000;
/** At most this often it is written: flash wears out. */
const WRITE_EVERY_MS = 30_000;
const KINDS = ['devices', 'bundles', 'modules', 'identities', 'pods'] as const;
const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 1;
/** No module has this name: a namespace's is of 63 characters at most. */
const MODULE = { namespace: `keystead-agent-${'0'.repeat(63)}`, moduleId: '$cluster', generationId: '1' };

interface SealKey {
  readonly key: Buffer;
  readonly wrapped: Buffer;
}

/**
 * What the agent knows of the cluster, on disk: for a start while the API server is away. Encrypted and authenticated with
 * a key of its own, which only this node's token can unwrap. Holds no private key.
 */
export class SealedCache {
  readonly #parts: SealedCacheParts;
  readonly #path: string;
  #key: SealKey | undefined;
  #written = '';

  constructor(parts: SealedCacheParts) {
    this.#parts = parts;
    this.#path = join(parts.stateDir, 'cluster.sealed');
  }

  /** Keeps the file as the caches are, until the signal is aborted. Begins once all of them have been read. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#parts.caches.all().every((cache) => cache.hasSynced)) await this.#write();
      await pause(WRITE_EVERY_MS, signal);
    }
  }

  /** Fills those caches that the API server has not filled within a few seconds. Never throws; says what came of it. */
  async seed(signal: AbortSignal): Promise<void> {
    const { caches, log, patienceMs = PATIENCE_MS } = this.#parts;
    const waiting = new AbortController();
    const synced = Promise.all(caches.all().map((cache) => cache.synced)).then(() => waiting.abort());
    await Promise.race([synced, pause(patienceMs, AbortSignal.any([signal, waiting.signal]))]);
    if (signal.aborted || waiting.signal.aborted) return;
    try {
      const content = await this.#read();
      if (!content) return;
      for (const kind of KINDS) caches[kind].seed((content.kinds[kind] ?? []) as never[]);
      log.warn({ writtenAt: content.writtenAt }, 'the API server is away: going on with what it said last');
    } catch (error) {
      log.error({ err: asKeysteadError(error).message }, 'the sealed copy of the cluster cannot be used');
    }
  }

  async #write(): Promise<void> {
    const { caches, log } = this.#parts;
    try {
      const kinds = Object.fromEntries(KINDS.map((kind) => [kind, this.#relevant(kind, caches[kind].list())]));
      const text = JSON.stringify(kinds);
      if (text === this.#written) return;
      const content = JSON.stringify({ writtenAt: new Date().toISOString(), kinds });
      await writeDurably(this.#path, seal(await this.#sealKey(), Buffer.from(content)));
      this.#written = text;
    } catch (error) {
      log.warn({ err: asKeysteadError(error).message }, 'the copy of the cluster is not written');
    }
  }

  /** Of modules and identities, those in namespaces of this node's pods and of modules of the host, which have none. */
  #relevant(kind: (typeof KINDS)[number], objects: readonly { metadata: { namespace?: string } }[]): readonly object[] {
    if (kind !== 'modules' && kind !== 'identities') return objects;
    const { pods, modules } = this.#parts.caches;
    const ofHost = modules.list().filter(({ spec }) => spec.host);
    const namespaces = new Set([...pods.list(), ...ofHost].map(({ metadata }) => metadata.namespace));
    return objects.filter(({ metadata }) => metadata.namespace !== undefined && namespaces.has(metadata.namespace));
  }

  async #read(): Promise<Content | undefined> {
    let file: Buffer;
    try {
      file = await readFile(this.#path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    const { wrapped, sealed } = parse(file);
    const key = await this.#parts.notary.hubDecrypt(this.#request(wrapped));
    this.#key = { key, wrapped };
    return JSON.parse(unseal(key, sealed).toString()) as Content;
  }

  /** One for the life of this process. */
  async #sealKey(): Promise<SealKey> {
    if (this.#key) return this.#key;
    const key = randomBytes(32);
    // A copy: what is sent is the other side's to wipe.
    const wrapped = await this.#parts.notary.hubEncrypt(this.#request(Buffer.from(key)));
    return (this.#key = { key, wrapped });
  }

  #request(text: Buffer): HubCipherRequest {
    const { node } = this.#parts;
    const agent: Requester = {
      ...{ module: MODULE.moduleId, identity: '', pod: '', podUid: '', container: '', imageDigest: '' },
    };
    return { module: MODULE, initializationVector: Buffer.from(`${node}/cluster`), text, requester: agent };
  }
}

interface Content {
  readonly writtenAt: string;
  readonly kinds: Readonly<Partial<Record<(typeof KINDS)[number], readonly object[]>>>;
}

/** One octet of format, the length of the wrapped key (16 bits, big-endian), it, nonce, AES-256-GCM, tag. */
function seal({ key, wrapped }: SealKey, plaintext: Buffer): Buffer {
  const header = Buffer.alloc(3);
  header.writeUInt8(FORMAT);
  header.writeUInt16BE(wrapped.length, 1);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  return Buffer.concat([header, wrapped, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function parse(file: Buffer): { readonly wrapped: Buffer; readonly sealed: Buffer } {
  const length = file.length > 3 && file.readUInt8() === FORMAT ? file.readUInt16BE(1) : 0;
  if (length === 0 || file.length < 3 + length + NONCE_BYTES + TAG_BYTES) throw spoilt();
  return { wrapped: file.subarray(3, 3 + length), sealed: file.subarray(3 + length) };
}

function unseal(key: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw spoilt();
  }
}

const spoilt = (): KeysteadError =>
  new KeysteadError('InvalidRequest', 'the file was changed, cut, or sealed on another node; it is not used');
