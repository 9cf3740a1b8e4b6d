// SPDX-License-Identifier: Apache-2.0
import type { Dice } from './dice.ts';

export type Outcome = 'both' | 'accepts' | 'refuses';

/** A parser of foreign input, with samples that it reads well and a way to change them. */
export interface TargetOptions<Input> {
  readonly name: string;
  /** Share of the inputs, measured against the other targets. Default 1. */
  readonly weight?: number;
  /** Real or well-formed inputs; the parser must take each of them. */
  readonly corpus: readonly Input[];
  readonly mutate: (sample: Input, dice: Dice) => Input;
  /**
   * Reads the input. May throw a KeysteadError, and an error of another type only to say that something that must hold
   * does not. False where the parser says "this is not mine" in another way than by throwing.
   */
  readonly read: (input: Input, dice: Dice) => unknown;
  /** What comes of changed inputs: both (the default), or one alone, as for a parser that passes over what it does not know. */
  readonly outcome?: Outcome;
  /** Inputs without which not all has been tried. */
  readonly atLeast?: number;
  /** For what the kernel writes: there a malformed input is a defect of what we run on. */
  readonly mayBeInternal?: boolean;
}

/** One input, ready to be read. */
export interface Attempt {
  readonly input: unknown;
  readonly run: () => unknown;
}

export interface Target {
  readonly name: string;
  readonly weight: number;
  readonly outcome: Outcome;
  readonly atLeast: number;
  readonly mayBeInternal: boolean;
  readonly samples: () => Iterable<(dice: Dice) => Attempt>;
  readonly attempt: (dice: Dice) => Attempt;
}

export function target<Input>(options: TargetOptions<Input>): Target {
  const { name, weight = 1, corpus, mutate, read, outcome = 'both', atLeast = 0, mayBeInternal = false } = options;
  const reading = (input: Input, dice: Dice): Attempt => ({ input, run: () => read(input, dice) });
  return {
    name,
    weight,
    outcome,
    atLeast,
    mayBeInternal,
    samples: () => corpus.map((input) => (dice: Dice) => reading(input, dice)),
    attempt: (dice) => reading(mutate(dice.pick(corpus), dice), dice),
  };
}

/** Throws an error that is no KeysteadError, for something that must hold whatever the input is. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`must hold: ${what}`);
}
