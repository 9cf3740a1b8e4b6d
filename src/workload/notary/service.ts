// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from '@bufbuild/protobuf';
import { randomBytes } from 'node:crypto';
import type { HeldKeyReference } from '../../deliver/port.ts';
import { KeysteadError } from '../../errors.ts';
import type {
  DecryptRequest,
  EncryptRequest,
  GetEvidenceRequest,
  GetEvidenceResponseSchema,
  GetPublicKeyResponseSchema,
  IssueCertificateRequest,
  IssueCertificateResponseSchema,
  Notary,
  SignRequest,
  SignResponseSchema,
} from '../../gen/keystead/notary/v1alpha1/notary_pb.js';
import type { CallContext, Implementation } from '../../grpc/server.ts';
import { patiently } from '../patience.ts';
import type { PodCall, PodCalls } from '../pod-calls.ts';
import type { PodTurns } from '../pod-turns.ts';
import type { IdentityTerms, NotaryGrant, TrustStore } from '../port.ts';
import type { Leaf } from '../spiffe/leaf.ts';
import { chosenIdentity } from './chosen-identity.ts';
import { keyIdOf, keyNamed } from './key-id.ts';
import { evidenceMessage, issuedMessage, publicKeyMessage, watchResponse } from './messages.ts';
import type { Asked, NotaryApiPorts } from './port.ts';
import { formatted, isSignedBy, signingInput } from './signatures.ts';

export interface NotaryApiParts {
  readonly calls: Pick<PodCalls, 'follow' | 'once'>;
  readonly turns: Pick<PodTurns, 'run'>;
  readonly ports: NotaryApiPorts;
  readonly trust: () => TrustStore;
  readonly terms: (podUid: string, identity: string) => IdentityTerms | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** How long what may pass is waited for, milliseconds; of the default see `patiently`. */
  readonly patienceMs?: number;
}

const MAX_PLAINTEXT_BYTES = 32 * 1024;
/** More than the longest plaintext becomes. */
const MAX_CIPHERTEXT_BYTES = 33 * 1024;
const MAX_ADDITIONAL_BYTES = 1024;
/** Fewer could come up again; a TPM takes no more. */
const [MIN_NONCE_BYTES, MAX_NONCE_BYTES] = [8, 64];

/** One call, with the identity that it is for. */
interface Question extends Asked {
  readonly leaf: Leaf;
}

type SignResponse = MessageInitShape<typeof SignResponseSchema>;
type IssueCertificateResponse = MessageInitShape<typeof IssueCertificateResponseSchema>;
type GetEvidenceResponse = MessageInitShape<typeof GetEvidenceResponseSchema>;
type GetPublicKeyResponse = MessageInitShape<typeof GetPublicKeyResponseSchema>;

/** The Notary API: what modules do with keys that they do not hold, as far as their ModuleIdentity grants it. */
export class NotaryApiService {
  readonly #parts: NotaryApiParts;

  constructor(parts: NotaryApiParts) {
    this.#parts = parts;
  }

  handlers(): Implementation<typeof Notary> {
    return {
      getPublicKey: (request, context) => this.#getPublicKey(request, context),
      sign: (request, context) => this.#granted('sign', request, context, (asked) => this.#sign(asked, request)),
      verify: (request, context) =>
        this.#once(request, context, ({ leaf }) => ({ valid: isSignedBy(leaf.credentials.chain, request) })),
      encrypt: async (request, context) => ({ ciphertext: await this.#encrypt(request, context) }),
      decrypt: async (request, context) => ({ plaintext: await this.#decrypt(request, context) }),
      issueCertificate: (request, context) =>
        this.#granted('issue', request, context, (asked) => this.#issue(asked, request)),
      getEvidence: (request, context) => this.#evidence(request, context),
      watch: (_request, context) => this.#parts.calls.follow(context, (call) => this.#watched(call)),
    };
  }

  #getPublicKey(request: Named, context: CallContext): Promise<GetPublicKeyResponse> {
    return this.#once(request, context, ({ leaf }) => ({ key: publicKeyMessage(leaf) }));
  }

  /** In turn with the pod's other calls: a TPM takes its time over a statement. */
  #evidence(request: GetEvidenceRequest, context: CallContext): Promise<GetEvidenceResponse> {
    return this.#once(request, context, ({ leaf, requester, caller }) =>
      this.#parts.turns.run(caller.podUid, async () => {
        const question = { key: heldKeyOf(leaf).name, requester, nonce: nonceIn(request) };
        return evidenceMessage(leaf, await this.#parts.ports.evidence(question));
      }),
    );
  }

  async #sign({ leaf, requester }: Question, request: SignRequest): Promise<SignResponse> {
    const heldKey = heldKeyOf(leaf);
    const key = request.keyId === '' ? heldKey.name : keyNamed(request.keyId, heldKey.name);
    const { signature } = await this.#parts.ports.sign({ key, requester, ...signingInput(request) });
    return { signature: formatted(signature, request.format), keyId: keyIdOf(key) };
  }

  #encrypt(request: EncryptRequest, context: CallContext): Promise<Buffer> {
    const { plaintext, additionalData } = request;
    return this.#granted('encrypt', request, context, (asked) => {
      const text = checked('plaintext', plaintext, MAX_PLAINTEXT_BYTES);
      return this.#parts.ports.encrypt({ ...asked, text, additionalData: checkedAdditional(additionalData) });
    });
  }

  #decrypt(request: DecryptRequest, context: CallContext): Promise<Buffer> {
    const { ciphertext, additionalData } = request;
    return this.#granted('encrypt', request, context, (asked) => {
      const text = checked('ciphertext', ciphertext, MAX_CIPHERTEXT_BYTES);
      return this.#parts.ports.decrypt({ ...asked, text, additionalData: checkedAdditional(additionalData) });
    });
  }

  async #issue(asked: Question, request: IssueCertificateRequest): Promise<IssueCertificateResponse> {
    const { caller, identity, requester } = asked;
    const certificationRequest = Buffer.from(request.certificationRequest);
    const lifetimeSeconds = request.lifetime && Number(request.lifetime.seconds);
    const question = { caller, identity, requester, certificationRequest, lifetimeSeconds };
    return issuedMessage(await this.#parts.ports.issue(question));
  }

  #watched({ caller: { podUid, identity }, served }: PodCall): ReturnType<typeof watchResponse> {
    const { trust, terms, now } = this.#parts;
    return watchResponse({
      served,
      first: identity,
      now: now(),
      trust: trust(),
      terms: (name) => terms(podUid, name),
    });
  }

  /** For what uses a key: in turn with the pod's other calls, patiently, where the ModuleIdentity grants it. */
  #granted<T>(
    grant: keyof NotaryGrant,
    request: Named,
    context: CallContext,
    work: (question: Question) => Promise<T>,
  ): Promise<T> {
    const { turns, patienceMs } = this.#parts;
    const patience = { signal: context.signal, ...(patienceMs !== undefined && { milliseconds: patienceMs }) };
    // Each attempt asks again who calls: what was withdrawn meanwhile is not used any more.
    const attempt = (): Promise<T> =>
      this.#once(request, context, (question) => {
        if (!question.notary[grant]) throw notGranted(grant, question.identity);
        return turns.run(question.caller.podUid, () => work(question));
      });
    return patiently(attempt, patience);
  }

  #once<T>(
    request: Named,
    context: CallContext,
    answer: (question: Question & Pick<IdentityTerms, 'notary'>) => T,
  ): Promise<Awaited<T>> {
    const { calls, terms, now } = this.#parts;
    return calls.once(context, ({ caller, served }) => {
      const leaf = chosenIdentity({ served, name: request.identity, first: caller.identity, now: now() });
      const { identity } = leaf;
      const found = terms(caller.podUid, identity);
      if (!found) throw new KeysteadError('Unavailable', `ModuleIdentity ${identity} is not known just now; ask again`);
      return answer({
        caller,
        identity,
        leaf,
        notary: found.notary,
        requester: { ...found.requester, pid: caller.pid },
      });
    });
  }
}

/** Throws PermissionDenied for a key in memory, Unavailable where it is not known which one it is. */
function heldKeyOf({ identity, credentials: { heldKey, privateKey } }: Leaf): HeldKeyReference {
  if (privateKey !== undefined) {
    throw new KeysteadError(
      'PermissionDenied',
      `KeyInMemory: the module has the key of ${identity} itself; set key.residency to Hardware to have one in the token`,
    );
  }
  if (heldKey) return heldKey;
  throw new KeysteadError('Unavailable', 'the key of this certificate is not known yet; ask again');
}

function nonceIn({ nonce }: GetEvidenceRequest): Buffer {
  if (nonce.length === 0) return randomBytes(32);
  if (nonce.length >= MIN_NONCE_BYTES && nonce.length <= MAX_NONCE_BYTES) return Buffer.from(nonce);
  const message = `nonce: expected ${MIN_NONCE_BYTES} to ${MAX_NONCE_BYTES} bytes or none, found ${nonce.length} bytes`;
  throw new KeysteadError('InvalidRequest', message);
}

/** All requests name their identity alike. */
interface Named {
  readonly identity: string;
}

function checkedAdditional(additionalData: Uint8Array): Buffer {
  return checked('additional_data', additionalData, MAX_ADDITIONAL_BYTES);
}

function checked(field: string, bytes: Uint8Array, longest: number): Buffer {
  if (bytes.length <= longest) return Buffer.from(bytes);
  const message = `${field}: expected at most ${longest} bytes, found ${bytes.length} bytes`;
  throw new KeysteadError('InvalidRequest', message);
}

function notGranted(grant: keyof NotaryGrant, identity: string): KeysteadError {
  const message = `NotGranted: ModuleIdentity ${identity} does not grant it; set spec.notary.${grant} to true`;
  return new KeysteadError('PermissionDenied', message);
}
