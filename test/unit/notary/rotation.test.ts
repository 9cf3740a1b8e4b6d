// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Authority } from '../../../src/notary/authority.ts';
import type { SelfSignedIssuer } from '../../../src/notary/issuer-settings.ts';
import { issueLeaf } from '../../../src/notary/issuing.ts';
import { StateFolder } from '../../../src/notary/state-folder.ts';
import type { RootOfTrust } from '../../../src/notary/root-of-trust/port.ts';
import { recordedLog, REQUEST, SettableClock, temporaryFolder } from './fixtures.ts';
import { MemoryToken } from './memory-root.ts';

const HOUR = 3_600_000;
const HOME = { trustDomain: 'edge.example', node: 'node-1' };
const SETTINGS: SelfSignedIssuer = { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 };
const CRASH = 'power cut';

/** A state folder and a token that lose power at the nth step that changes them, before it or right after it. */
class Machine {
  readonly folder = temporaryFolder();
  readonly token = new MemoryToken();
  readonly clock = new SettableClock();
  crashAt = Infinity;
  after = false;
  steps = 0;

  start(settings: SelfSignedIssuer = SETTINGS): Authority {
    const state = new StateFolder(this.folder);
    const write = state.write.bind(state);
    state.write = (name, document) => this.#step(() => write(name, document));
    const root = this.token.open();
    const faulty: RootOfTrust = {
      ...root,
      generate: (...wanted) => this.#step(() => root.generate(...wanted)),
      destroy: (label) => this.#step(() => root.destroy(label)),
    };
    return new Authority({
      root: faulty,
      configuration: HOME,
      settings,
      state,
      clock: this.clock,
      log: recordedLog().log,
    });
  }

  #step<T>(run: () => T): T {
    const crashes = ++this.steps === this.crashAt;
    if (crashes && !this.after) throw new Error(CRASH);
    const result = run();
    if (crashes) throw new Error(CRASH);
    return result;
  }
}

function issue(machine: Machine, authority: Authority): X509Certificate {
  const profile = { trustDomain: HOME.trustDomain, maxLeafSeconds: 3600, isOwnKey: () => false };
  return new X509Certificate(issueLeaf(authority, profile, REQUEST, machine.clock.now()).chain[0]!);
}

const isAnchored = (leaf: X509Certificate, authority: Authority): boolean =>
  authority.anchors.some((der) => leaf.verify(new X509Certificate(der).publicKey));

/** A rotation that is asked for, from the first key to the end of the former one. Gives the leaves issued on the way. */
function rotate(machine: Machine, leaves: X509Certificate[]): Authority {
  let authority = machine.start();
  leaves.push(issue(machine, authority));
  const asked = { ...SETTINGS, rotateBefore: machine.clock.time + 1 };
  for (let hour = 0; hour < 6; hour++) {
    machine.clock.time += HOUR;
    authority = machine.start(asked);
    authority.maintain();
    if (hour === 0) for (const leaf of leaves) expect(isAnchored(leaf, authority)).toBe(true);
    leaves.push(issue(machine, authority));
  }
  return authority;
}

describe('a rotation that is asked for', () => {
  it('goes over to a new key with overlap, once, and destroys the old one after its last leaf', () => {
    const machine = new Machine();
    const before = machine.start().issuer.key.publicKey;
    const leaves: X509Certificate[] = [];
    const authority = rotate(machine, leaves);
    expect(authority.issuer.key.publicKey).not.toEqual(before);
    expect(authority.anchors).toHaveLength(1);
    expect([...machine.token.keys.values()].map(({ publicKey }) => publicKey)).toEqual([
      authority.issuer.key.publicKey,
    ]);
  });

  it('that lies in the future is waited for', () => {
    const machine = new Machine();
    machine.start({ ...SETTINGS, rotateBefore: machine.clock.time + HOUR }).maintain();
    expect(machine.token.keys.size).toBe(1);
    machine.clock.time += HOUR;
    expect(machine.start({ ...SETTINGS, rotateBefore: machine.clock.time }).anchors).toHaveLength(2);
  });

  it.each([false, true])('survives a crash at every step (after it: %s): nothing issued loses its anchor', (after) => {
    const whole = new Machine();
    rotate(whole, []);
    expect(whole.steps).toBeGreaterThan(4);
    for (let step = 1; step <= whole.steps; step++) {
      const machine = new Machine();
      Object.assign(machine, { crashAt: step, after });
      const leaves: X509Certificate[] = [];
      try {
        rotate(machine, leaves);
      } catch (thrown) {
        expect(String(thrown)).toContain(CRASH);
        machine.crashAt = Infinity;
        // What was issued up to the power cut is still good after it.
        const restarted = machine.start({ ...SETTINGS, rotateBefore: machine.clock.time });
        const living = leaves.filter((leaf) => Date.parse(leaf.validTo) > machine.clock.time);
        for (const leaf of living) expect(isAnchored(leaf, restarted)).toBe(true);
        expect(isAnchored(issue(machine, restarted), restarted)).toBe(true);
      }
      machine.crashAt = Infinity;
      machine.clock.time += 12 * HOUR;
      const end = machine.start();
      end.maintain();
      expect(isAnchored(issue(machine, end), end)).toBe(true);
    }
  });
});
