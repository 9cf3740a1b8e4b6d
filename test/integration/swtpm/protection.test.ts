// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { handles, lockoutState } from '../../../src/notary/root-of-trust/tpm/capability.ts';
import type { TpmChannel } from '../../../src/notary/root-of-trust/tpm/channel.ts';
import { TPM_ALG, TPM_HT } from '../../../src/tpm/constants.ts';
import { DescriptorChannel } from '../../../src/notary/root-of-trust/tpm/descriptor-channel.ts';
import { withEndorsementKey } from '../../../src/notary/root-of-trust/tpm/endorsement-key.ts';
import {
  changeHierarchyAuth,
  resetLockout,
  setLockoutParameters,
} from '../../../src/notary/root-of-trust/tpm/hierarchy.ts';
import { hmacWith } from '../../../src/notary/root-of-trust/tpm/hmac.ts';
import { importKey, parseWrappedKey } from '../../../src/notary/root-of-trust/tpm/imported-key.ts';
import { defineNv, findNvIndex, readNv, undefineNv, writeNv } from '../../../src/notary/root-of-trust/tpm/nv-index.ts';
import { create, load, signDigest } from '../../../src/notary/root-of-trust/tpm/objects.ts';
import { extendPcr, readPcrs } from '../../../src/notary/root-of-trust/tpm/pcr.ts';
import { pcrDigest } from '../../../src/tpm/pcr-selection.ts';
import {
  NO_POLICY,
  pcrPolicy,
  proveSecret,
  provePcrs,
  provenPolicy,
  secretPolicy,
} from '../../../src/notary/root-of-trust/tpm/policy.ts';
import { encodePublic } from '../../../src/tpm/public-area.ts';
import { keyTemplate } from '../../../src/notary/root-of-trust/tpm/key-template.ts';
import { TpmRoot } from '../../../src/notary/root-of-trust/tpm/root.ts';
import { seal, unsealData } from '../../../src/notary/root-of-trust/tpm/sealed.ts';
import { storagePrimary } from '../../../src/notary/root-of-trust/tpm/storage-primary.ts';
import { Tpm } from '../../../src/notary/root-of-trust/tpm/tpm.ts';
import { requireTools, SoftTpm } from './swtpm.ts';
import { wrapKey } from './wrapping.ts';

jest.setTimeout(120_000);

let soft: SoftTpm;

beforeAll(() => requireTools());
beforeAll(async () => {
  soft = await SoftTpm.started();
});
afterAll(async () => soft.remove());

const BANK = TPM_ALG.sha256;
const noLeaks = (tpm: Tpm): void => {
  expect(handles(tpm, TPM_HT.transient)).toEqual([]);
  expect(handles(tpm, TPM_HT.policySession)).toEqual([]);
};
const failsWith = (code: string): unknown => expect.objectContaining({ code });

describe('sealed data', () => {
  const selection = { hash: BANK, pcrs: [7, 23] };

  it('comes back while the PCRs are the same, also after a restart, and is refused after an extend', async () => {
    const tpm = soft.open();
    const secret = randomBytes(32);
    const sealed = seal(tpm, storagePrimary(tpm), secret, { selection });
    expect(unsealData(tpm, storagePrimary(tpm), sealed)).toEqual(secret);
    await soft.restart();
    const again = soft.open();
    expect(unsealData(again, storagePrimary(again), sealed)).toEqual(secret);
    extendPcr(again, 23, { hash: BANK, value: randomBytes(32) });
    for (let count = 0; count < 5; count++) {
      expect(() => unsealData(again, storagePrimary(again), sealed)).toThrow(failsWith('PermissionDenied'));
    }
    noLeaks(again);
    expect(() => seal(again, storagePrimary(again), Buffer.alloc(129), { selection })).toThrow(
      failsWith('InvalidRequest'),
    );
  });

  it('never crosses the bus in the clear, nor do authorisation values', () => {
    const seen: Buffer[] = [];
    soft.open().close();
    const inner = DescriptorChannel.socket(soft.socketPlace);
    const channel: TpmChannel = {
      place: 'recorded',
      exchange: (command) => {
        const response = inner.exchange(command);
        seen.push(Buffer.from(command), response);
        return response;
      },
      reopen: () => inner.reopen(),
      close: () => inner.close(),
    };
    const tpm = new Tpm(channel);
    const parent = storagePrimary(tpm);
    const secret = Buffer.from('a secret that nobody must hear..');
    const sealed = seal(tpm, parent, secret, { selection });
    expect(unsealData(tpm, parent, sealed)).toEqual(secret);
    const auth = Buffer.from('authorisation of a key');
    const blob = create(tpm, parent, encodePublic(keyTemplate('k', 'EC-P256', true)), { auth });
    tpm.withTransient(load(tpm, parent, blob, auth), (key) => signDigest(tpm, key, Buffer.alloc(32)));
    changeHierarchyAuth(tpm, tpm.endorsement, auth);
    changeHierarchyAuth(tpm, { ...tpm.endorsement, auth }, Buffer.alloc(0));
    tpm.close();
    const wire = Buffer.concat(seen);
    expect(wire.includes(sealed.publicArea)).toBe(true);
    expect(wire.includes(secret)).toBe(false);
    expect(wire.includes(auth)).toBe(false);
  });

  it('computes policies as the TPM does', () => {
    const tpm = soft.open();
    const values = pcrDigest(BANK, selection.pcrs, readPcrs(tpm, selection));
    const proven = tpm.withPolicySession((session) => {
      provePcrs(tpm, session, selection, values);
      proveSecret(tpm, session, tpm.owner);
      return provenPolicy(tpm, session);
    });
    expect(proven).toEqual(secretPolicy(pcrPolicy(NO_POLICY, selection, values), tpm.owner.name));
    noLeaks(tpm);
  });
});

describe('an NV index', () => {
  it('written by tpm2_nvwrite is read by us, and the other way round, in more than one part', () => {
    const content = randomBytes(2000);
    writeFileSync(soft.path('content'), content);
    soft.tool('tpm2_nvdefine', '0x1500016', '-C', 'o', '-s', '2000', '-a', 'ownerread|ownerwrite');
    expect(() => readNv(soft.open(), 0x1500016)).toThrow(failsWith('NotFound'));
    soft.tool('tpm2_nvwrite', '0x1500016', '-C', 'o', '-i', 'content');
    const tpm = soft.open();
    expect(readNv(tpm, 0x1500016)).toEqual(content);
    expect(findNvIndex(tpm, 0x1500018)).toBeUndefined();
    const auth = Buffer.from('index');
    defineNv(tpm, 0x1500017, 2000, auth);
    expect(() => defineNv(tpm, 0x1500017, 2000)).toThrow(failsWith('InvalidRequest'));
    writeNv(tpm, 0x1500017, content, auth);
    expect(readNv(tpm, 0x1500017, auth)).toEqual(content);
    expect(() => readNv(tpm, 0x1500017, Buffer.from('wrong'))).toThrow(failsWith('PinRejected'));
    soft.tool('tpm2_nvread', '0x1500017', '-C', 'o', '-o', 'read');
    expect(readFileSync(soft.path('read'))).toEqual(content);
    undefineNv(soft.open(), 0x1500017);
    expect(readNv(soft.open(), 0x1500017)).toBeUndefined();
  });
});

describe('authorisation', () => {
  it('of the owner is demanded, and a wrong one is refused once', () => {
    const auth = Buffer.from('owner\0\0');
    const open = soft.open();
    changeHierarchyAuth(open, open.owner, auth);
    const wrong = soft.open({ ownerAuth: Buffer.from('wrong') });
    expect(() => defineNv(wrong, 0x1500020, 8)).toThrow(failsWith('PinRejected'));
    expect(() => soft.tool('tpm2_nvdefine', '0x1500020', '-C', 'o', '-s', '8')).toThrow();
    soft.tool('tpm2_nvdefine', '0x1500020', '-C', 'o', '-s', '8', '-P', 'owner');
    const right = soft.open({ ownerAuth: auth });
    expect(lockoutState(right)).toMatchObject({ ownerAuthSet: true, endorsementAuthSet: false, locked: false });
    undefineNv(right, 0x1500020);
    changeHierarchyAuth(right, right.owner, Buffer.alloc(0));
    expect(lockoutState(right).ownerAuthSet).toBe(false);
  });

  it('that fails too often locks the TPM, which is reported and can be reset', () => {
    const tpm = soft.open();
    setLockoutParameters(tpm, { limit: 3, recoverySeconds: 1000, lockoutRecoverySeconds: 1000 });
    const folder = soft.path('guarded');
    mkdirSync(folder);
    const keyAuth = Buffer.from('right');
    new TpmRoot({ tpm, folder, keyAuth }).generate('guarded', 'EC-P256').sign(Buffer.from('x'));
    const sign = (auth: Buffer) =>
      new TpmRoot({ tpm: soft.open(), folder, keyAuth: auth }).find('guarded')!.sign(Buffer.from('x'));
    const failures: number[] = [];
    for (let count = 0; count < 3; count++) {
      expect(() => sign(Buffer.from('wrong'))).toThrow(failsWith('PinRejected'));
      failures.push(lockoutState(soft.open()).failures);
    }
    expect(failures).toEqual([1, 2, 3]);
    expect(() => sign(keyAuth)).toThrow(failsWith('PinLocked'));
    expect(lockoutState(soft.open())).toEqual({
      locked: true,
      failures: 3,
      limit: 3,
      recoverySeconds: 1000,
      lockoutRecoverySeconds: 1000,
      ownerAuthSet: false,
      endorsementAuthSet: false,
      lockoutAuthSet: false,
    });
    expect(soft.tool('tpm2_getcap', 'properties-variable')).toMatch(/inLockout: +1/);
    resetLockout(soft.open());
    expect(lockoutState(soft.open())).toMatchObject({ locked: false, failures: 0 });
    expect(sign(keyAuth).length).toBeGreaterThan(60);
  });
});

describe('a key that a service wraps for the TPM', () => {
  it.each(['RSA-2048', 'EC-P256'] as const)('of endorsement key %s is imported and computes HMACs', (algorithm) => {
    const tpm = soft.open();
    const storage = storagePrimary(tpm);
    const secret = randomBytes(32);
    const message = Buffer.from('scope/registrations/id\n1700000000');
    const mac = withEndorsementKey(tpm, algorithm, (endorsement) => {
      const wrapped = parseWrappedKey(wrapKey({ endorsement: endorsement.area, storage: storage.area }, secret));
      const blob = importKey(tpm, { storage, endorsement }, wrapped);
      return tpm.withTransient(load(tpm, storage, blob), (key) => hmacWith(tpm, key, message));
    });
    expect(mac).toEqual(createHmac('sha256', secret).update(message).digest());
    noLeaks(tpm);
  });

  it('is refused where it is for another TPM or cut', async () => {
    const other = await SoftTpm.started({ unix: true });
    try {
      const theirs = other.open();
      const storage = storagePrimary(theirs);
      const endorsement = withEndorsementKey(theirs, 'EC-P256', (key) => key.area);
      const octets = wrapKey({ endorsement, storage: storage.area }, randomBytes(32));
      const tpm = soft.open();
      const take = (): unknown =>
        withEndorsementKey(tpm, 'EC-P256', (key) =>
          importKey(tpm, { storage: storagePrimary(tpm), endorsement: key }, parseWrappedKey(octets)),
        );
      expect(take).toThrow(failsWith('KeyUnfit'));
      noLeaks(tpm);
      expect(() => parseWrappedKey(octets.subarray(0, -1))).toThrow(failsWith('InvalidRequest'));
    } finally {
      await other.remove();
    }
  });
});
