// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { extendPcr } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { TPM_ALG } from '../../../src/tpm/constants.ts';
import { attesterOf, Setting, type Answered } from './boot-setting.ts';
import { endorse } from './endorse.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;
let other: SoftTpm;

beforeAll(() => requireTools());
beforeAll(async () => {
  [soft, other] = await Promise.all([SoftTpm.started({ unix: true }), SoftTpm.started({ unix: true })]);
});
afterAll(async () => {
  await Promise.all([soft.remove(), other.remove()]);
});

const INTERVAL_MS = 600_000;

const answering =
  (change: Partial<Answered['answer']>) =>
  (attester: Answered): Answered => ({
    ...attester,
    answer: { ...attester.answer, ...change },
  });

describe('a node with a TPM', () => {
  let setting: Setting;
  beforeEach(() => {
    setting = new Setting(soft);
  });

  it('is verified by one round, and again after the interval and not before', async () => {
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True', reason: 'Verified' });
    expect(setting.device.status!.integrity!.verified).toMatchObject({
      bootID: 'boot-1',
      endorsementKey: expect.any(String),
    });
    expect(setting.device.status!.integrity!.pcrs).toHaveLength(16);
    const writes = setting.writes.length;
    setting.now += INTERVAL_MS / 2;
    expect(await setting.controller()).toBeGreaterThan(1000);
    expect(setting.writes).toHaveLength(writes);
    const before = setting.device.status!.integrity!.challenge!.nonce;
    setting.now += INTERVAL_MS;
    await setting.round();
    expect(setting.device.status!.integrity!.challenge!.nonce).not.toBe(before);
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is challenged again by a controller that takes over in the middle', async () => {
    await setting.agent();
    await setting.controller();
    await setting.agent();
    setting.restartController();
    await setting.controller();
    expect(setting.verdict.status).toBeUndefined();
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is refused with PcrMismatch when it booted something else, which names the PCR', async () => {
    await setting.round();
    extendPcr(soft.open(), 7, { hash: TPM_ALG.sha256, value: randomBytes(32) });
    setting.now += INTERVAL_MS;
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'PcrMismatch' });
    expect(setting.verdict.message).toMatch(/^PCR 7: expected 0{64}, found [0-9a-f]{64}; if firmware/);
    const { nonce } = setting.device.status!.integrity!.challenge!;
    setting.now += 60_001;
    await setting.round();
    expect(setting.device.status!.integrity!.challenge!.nonce).not.toBe(nonce);
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'PcrMismatch' });
    await soft.restart();
    setting.reboot('boot-2');
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True', reason: 'Verified' });
  });

  it('is refused with NonceMismatch for an old quote in a new answer', async () => {
    await setting.round();
    const { attest, signature } = setting.device.status!.attester!.answer!;
    setting.now += INTERVAL_MS;
    await setting.round(answering({ attest: attest!, signature: signature! }));
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'NonceMismatch' });
  });

  it('is not believed when it repeats an answer: each challenge is good for one', async () => {
    await setting.round();
    const { attester } = setting.device.status!;
    setting.now += INTERVAL_MS;
    await setting.controller();
    setting.tell(attester);
    await setting.controller();
    setting.now += 121_000;
    await setting.controller();
    expect(setting.verdict).toMatchObject({ status: 'Unknown', reason: 'NoAnswer' });
  });

  it('that answers too late is asked anew', async () => {
    await setting.agent();
    await setting.controller();
    setting.now += 121_000;
    await setting.controller();
    expect(setting.verdict).toMatchObject({ status: 'Unknown', reason: 'NoAnswer' });
    await setting.round();
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is refused with SignatureInvalid for a quote of another TPM', async () => {
    await setting.round(() => {
      const { challenge } = setting.device.status!.integrity!;
      const quote = attesterOf(other).quote(Buffer.from(challenge!.nonce, 'base64'), challenge!.pcrs);
      const { attest, signature, pcrs } = quote;
      const changed = { attest: attest.toString('base64'), signature: signature.toString('base64'), pcrs };
      return answering(changed)(setting.device.status!.attester! as Answered);
    });
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'SignatureInvalid' });
  });

  it("is refused with CredentialRefused for another TPM's attestation key beside its own endorsement key", async () => {
    const theirs = attesterOf(other).keys().attestationKey;
    setting.attester = () => {
      const own = attesterOf(soft);
      return {
        keys: () => ({ ...own.keys(), attestationKey: theirs }),
        activate: (credential) => own.activate(credential),
        quote: (nonce, pcrs) => attesterOf(other).quote(nonce, pcrs),
        measure: () => undefined,
        seal: (secret, pcr) => own.seal(secret, pcr),
        unseal: (sealed) => own.unseal(sealed),
        close: () => undefined,
      };
    };
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'CredentialRefused' });
    const guessed = new Setting(soft);
    guessed.attester = setting.attester;
    await guessed.agent();
    await guessed.controller();
    const { nonce, pcrs } = guessed.device.status!.integrity!.challenge!;
    const quote = attesterOf(other).quote(Buffer.from(nonce, 'base64'), pcrs);
    guessed.tell({
      ...guessed.device.status!.attester!,
      answer: {
        nonce,
        secret: randomBytes(32).toString('base64'),
        attest: quote.attest.toString('base64'),
        signature: quote.signature.toString('base64'),
        pcrs: quote.pcrs,
      },
    });
    await guessed.controller();
    expect(guessed.verdict).toMatchObject({ status: 'False', reason: 'CredentialMismatch' });
  });

  it('is refused with EndorsementKeyChanged after its TPM was exchanged, until the owner accepts it', async () => {
    await setting.round();
    setting.attester = () => attesterOf(other);
    setting.reboot('boot-9');
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'EndorsementKeyChanged' });
    const learned = { ...setting.device.spec.measuredBoot!, learned: '2026-11-27T11:00:00Z' };
    setting.device = {
      ...setting.device,
      metadata: { ...setting.device.metadata, generation: 2 },
      spec: { ...setting.device.spec, measuredBoot: learned },
    };
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is refused with EndorsementKeyMismatch where the spec names another TPM', async () => {
    const pinned = new Setting(soft, { endorsementKey: 'a'.repeat(64) });
    await pinned.round();
    expect(pinned.verdict).toMatchObject({ status: 'False', reason: 'EndorsementKeyMismatch' });
  });

  it('is refused with TpmReset when the TPM was restarted under the running kernel', async () => {
    await setting.round();
    await soft.restart();
    setting.now += INTERVAL_MS;
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'TpmReset' });
    setting.reboot('boot-2');
    await soft.restart();
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is refused with TpmNotReset when another kernel was started past the firmware', async () => {
    await setting.round();
    setting.reboot('boot-2');
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'TpmNotReset' });
  });

  it('is challenged at once after a reboot', async () => {
    await setting.round();
    await soft.restart();
    setting.reboot('boot-2');
    await setting.round();
    expect(setting.device.status!.integrity!.verified).toMatchObject({ bootID: 'boot-2' });
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('of which nothing is expected is reported and not judged', async () => {
    const open = new Setting(soft, { mode: 'Report', pcrs: [] });
    await open.round();
    expect(open.verdict).toMatchObject({ status: 'Unknown', reason: 'NothingExpected' });
    expect(open.device.status!.integrity).toMatchObject({ endorsementKey: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it('whose TPM is away is not verified, and says why; it is when the TPM is back', async () => {
    await soft.stop();
    await setting.round(() => setting.device.status!.attester! as Answered);
    expect(setting.verdict).toMatchObject({ status: 'Unknown', reason: 'TpmUnusable' });
    expect(setting.verdict.message).toMatch(/^TokenAbsent: cannot connect to the TPM/);
    await soft.start();
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'True' });
  });

  it('is refused with TpmReset after its TPM was cleared, which leaves it the same TPM', async () => {
    await setting.round();
    const learnt = setting.device.status!.integrity!.endorsementKey;
    const tpm = soft.open();
    tpm.execute('Clear', { handles: [tpm.lockout] });
    setting.now += INTERVAL_MS;
    await setting.round();
    expect(setting.verdict).toMatchObject({ status: 'False', reason: 'TpmReset' });
    expect(setting.device.status!.integrity!.endorsementKey).toBe(learnt);
  });
});

describe('an endorsement key with a certificate of its maker', () => {
  it('counts where the maker is trusted, and not where another is', async () => {
    const { roots, stranger } = endorse(soft);
    const trusted = new Setting(soft, { endorsementRoots: roots });
    await trusted.round();
    expect(trusted.verdict).toMatchObject({ status: 'True' });
    expect(trusted.device.status!.integrity!.verified).toMatchObject({ certifiedBy: 'CN=Maker' });
    const refused = new Setting(soft, { endorsementRoots: stranger });
    await refused.round();
    expect(refused.verdict).toMatchObject({ status: 'False', reason: 'EndorsementCertificateUntrusted' });
    const uncertified = new Setting(soft, { endorsementRoots: roots });
    uncertified.attester = () => attesterOf(other);
    await uncertified.round();
    expect(uncertified.verdict).toMatchObject({ status: 'False', reason: 'EndorsementCertificateMissing' });
  });
});
