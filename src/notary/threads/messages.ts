// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from '../../errors.ts';
import type { DraftValues } from '../drafts/draft.ts';
import type { DraftingTerms } from '../drafts/terms.ts';
import type { NotaryConfiguration, TokenStatus } from '../port.ts';
import type { WireError } from '../protocol.ts';
import type { Share } from '../share.ts';

/** To the thread that holds a root of trust. Requests are passed on as they came: reading them is that thread's work. */
export type ToThread =
  | { readonly kind: 'requests'; readonly texts: readonly string[] }
  /** Leaves to sign, see `draftAt`. */
  | { readonly kind: 'drafts'; readonly values: DraftValues }
  | ({ readonly kind: 'configure' } & ConfigurationChange)
  | { readonly kind: 'close' };

export interface ConfigurationChange {
  readonly configuration: NotaryConfiguration;
  /** Which of its keys the thread is to hold. */
  readonly share: Share;
  /** Where they cannot be opened that is a failure, and nothing has changed. */
  readonly mustOpen: boolean;
}

/** From it. Requests, drafts and configurations are answered in the order in which they were sent. */
export type FromThread =
  /** `failure`: what they say was done cannot be kept, so that they must not leave. */
  | {
      readonly kind: 'answers';
      readonly answers: readonly (ThreadAnswer | SignedDraft)[];
      readonly failure?: WireError;
    }
  | { readonly kind: 'configured'; readonly failure?: WireError }
  /** Sent whenever it has changed, before the answers that a change came with. */
  | { readonly kind: 'status'; readonly status: TokenStatus; readonly terms?: DraftingTerms }
  /** An attempt to open the root of trust has ended so. */
  | { readonly kind: 'opening'; readonly result: AnswerCode }
  | { readonly kind: 'log'; readonly lines: string }
  | { readonly kind: 'closed' };

export type AnswerCode = 'Ok' | ErrorCode;

export interface ThreadAnswer {
  /** JSON as it goes over the socket. */
  readonly text: string;
  readonly code: AnswerCode;
  /** The use of a key to record before the answer leaves: a JSON object as the audit log writes it. */
  readonly use?: string;
  /** How long it took from the checked request to the result. */
  readonly seconds: number;
}

export interface SignedDraft {
  /** An octet each character; absent where the request must be made as a whole. */
  readonly signature?: string;
  readonly seconds: number;
}

/** One end of the line between two threads; a MessagePort is one, and so is a Worker. */
export interface ThreadLine<In, Out> {
  postMessage(message: Out): void;
  on(event: 'message', listener: (message: In) => void): unknown;
}
