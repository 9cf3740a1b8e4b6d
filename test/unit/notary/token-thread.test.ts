// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { KeysteadError } from '../../../src/errors.ts';
import type { Draft } from '../../../src/notary/drafts/draft.ts';
import type { FromThread, ThreadAnswer, ToThread } from '../../../src/notary/threads/messages.ts';
import { TokenThread } from '../../../src/notary/threads/thread.ts';
import { Watchdog } from '../../../src/notary/threads/watchdog.ts';
import { CONFIGURATION, recordedLog } from './fixtures.ts';

const LIMITS = { tellAfter: 3, endAfter: 5 };
const OK: ThreadAnswer = { text: '{}', code: 'Ok', seconds: 0 };
const NAMES = { spiffeId: 'spiffe://edge.example/x', podUid: 'pod-1', identity: 'plant/press', serial: '01' };
const DRAFT: Draft = { ...NAMES, epoch: 1, tbs: Buffer.of(1), publicKey: Buffer.of(2), notAfter: 0 };

/** The thread's side of the line, told what to say. */
class Line {
  readonly sent: ToThread[] = [];
  #listener: ((message: FromThread) => void) | undefined;
  postMessage(message: ToThread): void {
    this.sent.push(message);
  }
  on(_event: 'message', listener: (message: FromThread) => void): void {
    this.#listener = listener;
  }
  say(message: FromThread): void {
    this.#listener?.(message);
  }
  get texts(): string[] {
    return this.sent.flatMap((message) => (message.kind === 'requests' ? message.texts : []));
  }
}

let line: Line;
let lost: KeysteadError[];
let thread: TokenThread;
let lines: Record<string, unknown>[];

beforeEach(() => {
  void jest.useFakeTimers();
  line = new Line();
  lost = [];
  const recorded = recordedLog();
  ({ lines } = recorded);
  thread = new TokenThread({
    line,
    place: 'pkcs11:/lib/slow.so',
    limits: LIMITS,
    log: recorded.log,
    opening: () => undefined,
    write: () => undefined,
    lost: (error) => lost.push(error),
  });
  line.say({ kind: 'status', status: { ready: false, reason: 'Unavailable' } });
});
afterEach(() => void jest.useRealTimers());

function ask(text: string, isWanted = true): { answers: ThreadAnswer[]; dropped: () => boolean } {
  const answers: ThreadAnswer[] = [];
  let dropped = false;
  thread.request({
    id: 7,
    text,
    isWanted: () => isWanted,
    dropped: () => (dropped = true),
    answer: (answer) => answers.push(answer),
  });
  return { answers, dropped: () => dropped };
}

const pass = (seconds: number): void => {
  jest.advanceTimersByTime(seconds * 1000);
};

describe('a thread that works', () => {
  it('gets the requests of a turn in one message and answers them in order', () => {
    const [first, second] = [ask('1'), ask('2')];
    pass(0.01);
    expect(line.sent).toEqual([{ kind: 'requests', texts: ['1', '2'] }]);
    line.say({
      kind: 'answers',
      answers: [
        { ...OK, text: 'a' },
        { ...OK, text: 'b' },
      ],
    });
    expect([first.answers, second.answers]).toEqual([[{ ...OK, text: 'a' }], [{ ...OK, text: 'b' }]]);
  });

  it('has at most 64 requests, and is spared those that nobody waits for', () => {
    for (let i = 0; i < 64; i++) ask('early');
    const gone = ask('gone', false);
    ask('late');
    pass(0.01);
    expect(line.texts).toHaveLength(64);
    line.say({ kind: 'answers', answers: Array.from({ length: 64 }, () => OK) });
    expect(line.texts.slice(64)).toEqual(['late']);
    expect(gone.dropped()).toBe(true);
  });

  it('answers with the failure, and what to record, where what was done cannot be kept', () => {
    const { answers } = ask('1');
    pass(0.01);
    const failure = { code: 'Unavailable', message: 'disk full' } as const;
    line.say({ kind: 'answers', answers: [{ ...OK, use: '{}' }], failure });
    expect(answers).toEqual([
      { text: expect.stringContaining('disk full') as unknown, code: 'Unavailable', seconds: 0, use: '{}' },
    ]);
  });

  it('may take long over each of many requests', () => {
    for (let i = 0; i < 10; i++) ask('slow');
    pass(0.01);
    for (let i = 0; i < 10; i++) {
      pass(LIMITS.tellAfter - 1);
      line.say({ kind: 'answers', answers: [OK] });
    }
    expect([thread.status.reason, lost]).toEqual(['Unavailable', []]);
  });
});

describe('a thread that closes', () => {
  it('answers what it has got, and refuses at once what it has not', () => {
    const got = Array.from({ length: 64 }, () => ask('got'));
    const late = ask('late');
    let declined = false;
    const leaf = { draft: DRAFT, isWanted: () => true, dropped: () => undefined, signed: () => undefined };
    thread.sign({ ...leaf, declined: () => (declined = true) });
    pass(0.01);
    void thread.close();
    const refused = [{ code: 'Unavailable', text: expect.stringContaining('"retryAfterMs":1000') }];
    expect([late.answers, ask('after').answers]).toMatchObject([refused, refused]);
    expect(declined).toBe(true);
    line.say({ kind: 'answers', answers: got.map(() => OK) });
    line.say({ kind: 'closed' });
    for (const { answers } of got) expect(answers).toEqual([OK]);
    expect(line.texts).toHaveLength(64);
    expect(line.sent.at(-1)).toEqual({ kind: 'close' });
  });
});

describe('a thread that hangs', () => {
  beforeEach(() => line.say({ kind: 'status', status: { ready: true } }));

  it('shows in the status, and all who wait or come are told when to ask again', () => {
    const early = ask('1');
    pass(LIMITS.tellAfter - 1);
    expect([thread.status.ready, early.answers]).toEqual([true, []]);
    pass(1);
    expect(thread.status).toMatchObject({ ready: false, reason: 'TokenFailed' });
    expect(thread.status.message).toContain('a call into pkcs11:/lib/slow.so has not returned for 3 s');
    const late = ask('2');
    for (const { answers } of [early, late]) {
      expect(answers).toMatchObject([{ code: 'TokenFailed' }]);
      const { error } = JSON.parse(answers[0]!.text) as { error: object };
      expect(error).toMatchObject({ code: 'TokenFailed', retryAfterMs: 1000 });
    }
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'the token library hangs' }));
  });

  it('and comes back is used again; what it did meanwhile comes to be recorded', () => {
    const early = ask('1');
    pass(LIMITS.tellAfter);
    line.say({ kind: 'answers', answers: [{ ...OK, use: '{"late":1}' }] });
    expect(early.answers[1]).toEqual({ ...OK, use: '{"late":1}' });
    expect(thread.status.ready).toBe(true);
    ask('2');
    pass(0.01);
    expect(line.texts).toEqual(['1', '2']);
    expect(lost).toEqual([]);
  });

  it('is given up after the limit', () => {
    ask('1');
    pass(LIMITS.endAfter - 1);
    expect(lost).toEqual([]);
    pass(1);
    expect(lost).toMatchObject([{ code: 'TokenFailed' }]);
  });

  it('over its configuration tells who asked for it, and takes it up when it is through', async () => {
    const told: KeysteadError[] = [];
    const configured = thread.configure({ configuration: CONFIGURATION, share: 'All', mustOpen: false }, (error) =>
      told.push(error),
    );
    pass(LIMITS.tellAfter);
    expect(told).toMatchObject([{ code: 'TokenFailed' }]);
    line.say({ kind: 'configured' });
    await expect(configured).resolves.toBeUndefined();
  });

  it('while it closes is given up too', () => {
    void thread.close();
    pass(LIMITS.endAfter);
    expect(lost).toHaveLength(1);
  });
});

describe('a thread that is coming up', () => {
  it('is not taken for one that hangs', () => {
    const slow = new Line();
    const { log } = recordedLog();
    const nobody = (): void => undefined;
    const parts = { place: 'pkcs11:/lib/slow.so', limits: LIMITS, log, opening: nobody, write: nobody };
    const coming = new TokenThread({ line: slow, ...parts, lost: (error) => lost.push(error) });
    void coming.configure({ configuration: CONFIGURATION, share: 'All', mustOpen: false });
    pass(LIMITS.endAfter);
    expect([coming.status.reason, lost]).toEqual(['Unavailable', []]);
    slow.say({ kind: 'status', status: { ready: false, reason: 'Unavailable' } });
    pass(LIMITS.tellAfter);
    expect(coming.status.reason).toBe('TokenFailed');
  });
});

describe('the watchdog', () => {
  it('counts only while there is something to do, and from the last progress', () => {
    const watchdog = new Watchdog(LIMITS);
    for (let i = 0; i < 9; i++) expect(watchdog.tick(false)).toBe('Moving');
    const verdicts = [1, 2, 3, 4, 5].map(() => watchdog.tick(true));
    expect(verdicts).toEqual(['Moving', 'Moving', 'Stuck', 'Stuck', 'Lost']);
    watchdog.progress();
    expect(watchdog.verdict).toBe('Moving');
  });
});
