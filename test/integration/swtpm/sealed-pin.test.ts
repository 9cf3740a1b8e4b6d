// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import type { NotaryConfiguration, NotaryStatus } from '../../../src/notary/port.ts';
import { eventually } from '../softhsm/notary-process.ts';
import { freshLeaf } from '../softhsm/requests.ts';
import { atEnd, Setting, TOKEN } from '../softhsm/setting.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(180_000);
requireTools();

/** A token whose PIN a TPM is to seal, and a notary on both. */
async function started(): Promise<{ setting: Setting; soft: SoftTpm; configuration: NotaryConfiguration }> {
  const soft = await SoftTpm.started({ unix: true });
  const setting = new Setting();
  atEnd(async () => {
    await setting.notary.stop('SIGKILL');
    await soft.remove();
  });
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  const plain = setting.configuration();
  const pkcs11 = { ...(plain.rootOfTrust as { pkcs11: object }).pkcs11, sealPin: true };
  const measuredBoot = { tpm: { socket: soft.socketPath }, applicationPcr: 23, agentProgram: 'a1'.repeat(32) };
  return { setting, soft, configuration: { ...plain, rootOfTrust: { pkcs11 }, measuredBoot } };
}

async function restarted({ notary }: Setting): Promise<NotaryStatus> {
  await notary.stop();
  notary.start();
  await eventually(async () => (await notary.client.status()).reason !== 'Unavailable', 'a token that was tried');
  return notary.client.status();
}

describe('a PIN that the TPM seals', () => {
  it('opens the token without its file, for the same programs alone, and is sealed to the next by the file', async () => {
    const { setting, configuration } = await started();
    const { client } = setting.notary;
    expect(await client.configure(configuration)).toMatchObject({ ready: true });
    const state = join(setting.folder, 'state');
    const [sealed = ''] = readdirSync(state).filter((name) => name.startsWith('sealed-pin-'));
    expect(readFileSync(join(state, sealed), 'utf8')).not.toContain('1234');
    rmSync(setting.hsm.pinFile);
    expect(await restarted(setting)).toMatchObject({ ready: true });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);

    const measuredBoot = { ...configuration.measuredBoot!, agentProgram: 'b2'.repeat(32) };
    await client.configure({ ...configuration, measuredBoot });
    const refused = await restarted(setting);
    expect(refused).toMatchObject({ ready: false, reason: 'InvalidConfiguration' });
    expect(refused.message).toMatch(
      /there is no PIN file .*the TPM does not give back what was sealed.*PIN into the file/,
    );
    setting.hsm.setPin('1234');
    await eventually(async () => (await client.status()).ready, 'ready with the file');
    rmSync(setting.hsm.pinFile);
    expect(await restarted(setting)).toMatchObject({ ready: true });
  });

  it('that is wrong is not sealed, and another one in the file goes before the sealed one', async () => {
    const { setting, configuration } = await started();
    const { client } = setting.notary;
    setting.hsm.setPin('9999');
    expect(await client.configure(configuration)).toMatchObject({ ready: false, reason: 'PinRejected' });
    rmSync(setting.hsm.pinFile);
    const none = await restarted(setting);
    expect(none).toMatchObject({ ready: false, reason: 'InvalidConfiguration' });
    expect(none.message).toContain('none is sealed yet');
    setting.hsm.setPin('1234');
    await eventually(async () => (await client.status()).ready, 'ready with the right PIN');
    setting.hsm.setPin('9998');
    expect(await restarted(setting)).toMatchObject({ ready: false, reason: 'PinRejected' });
  });

  it('is read from its file again once that is asked for, and without the TPM', async () => {
    const { setting, configuration } = await started();
    const { client } = setting.notary;
    expect(await client.configure(configuration)).toMatchObject({ ready: true });
    const pinFile = readFileSync(setting.hsm.pinFile);
    rmSync(setting.hsm.pinFile);
    expect(await restarted(setting)).toMatchObject({ ready: true });
    writeFileSync(setting.hsm.pinFile, pinFile);
    const { measuredBoot: _without, ...rest } = configuration;
    await client.configure(rest);
    const plain = setting.configuration();
    expect(await client.configure(plain)).toMatchObject({ ready: true });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('needs a TPM that attests', async () => {
    const { setting, configuration } = await started();
    const { measuredBoot: _without, ...rest } = configuration;
    const status = await setting.notary.client.configure(rest);
    expect(status).toMatchObject({ ready: false, reason: 'InvalidConfiguration' });
    expect(status.message).toContain('sealPin: expected a TPM that seals, found none; set measuredBoot.tpm');
  });
});
