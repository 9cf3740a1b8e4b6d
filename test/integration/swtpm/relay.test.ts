// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { TpmRelay } from '../../../src/bin/agent/tpm-relay.ts';
import type { NotaryConfiguration } from '../../../src/notary/port.ts';
import { eventually, recordedLog } from '../../unit/notary/fixtures.ts';
import { NotaryProcess } from '../softhsm/notary-process.ts';
import { freshLeaf } from '../softhsm/requests.ts';
import { requireTools, SoftTpm } from './swtpm.ts';

jest.setTimeout(120_000);
requireTools();

/** TPM2_GetRandom of 16 octets, without a session. */
const GET_RANDOM = Buffer.from('80010000000c0000017b0010', 'hex');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A software TPM behind a device node, which a pseudo-terminal stands for, and the relay as the agent runs it. */
class Setting {
  readonly soft: SoftTpm;
  readonly device: string;
  readonly path: string;
  readonly logged = recordedLog();
  relay: TpmRelay;

  private constructor(soft: SoftTpm) {
    this.soft = soft;
    this.device = soft.path('device');
    this.path = soft.path('relay.sock');
    this.relay = this.#relayed();
  }

  static async started(): Promise<Setting> {
    const soft = await SoftTpm.started({ unix: true });
    cleanups.push(() => soft.remove());
    const setting = new Setting(soft);
    const bridge = spawn('socat', [`PTY,link=${setting.device},rawer`, `UNIX-CONNECT:${soft.socketPath}`], {
      stdio: 'ignore',
    });
    cleanups.push(async () => {
      bridge.kill();
      await once(bridge, 'exit');
    });
    await eventually(() => existsSync(setting.device), 'the device node');
    await setting.relay.listen();
    cleanups.push(() => setting.relay.close());
    return setting;
  }

  #relayed(): TpmRelay {
    return new TpmRelay({ device: this.device, path: this.path, log: this.logged.log });
  }

  async restarted(): Promise<void> {
    this.relay = this.#relayed();
    await this.relay.listen();
  }

  notary(): NotaryProcess {
    const environment = { KEYSTEAD_TPM_DEVICE: this.device, KEYSTEAD_NOTARY_TPM_RELAY: this.path };
    const notary = new NotaryProcess({ folder: this.soft.folder, environment });
    cleanups.push(async () => {
      notary.client.close();
      await notary.stop('SIGKILL');
    });
    notary.start();
    return notary;
  }

  configuration(device = this.device): NotaryConfiguration {
    return {
      trustDomain: 'edge.example',
      node: 'node-1',
      rootOfTrust: { tpm: { device, storageHandle: 0x81000001 } },
      issuer: { algorithm: 'EC-P256', lifetimeSeconds: 86_400, maxLeafSeconds: 3600 },
      tokens: { keyLifetimeSeconds: 86_400, maxSeconds: 3600 },
    };
  }

  /** What comes back for octets, up to the end of the connection or so many. */
  async ask(octets: Buffer, wanted = Infinity): Promise<Buffer> {
    const socket = connect(this.path);
    socket.on('error', () => undefined);
    socket.write(octets);
    let answer = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= wanted) break;
    }
    socket.destroy();
    return answer;
  }
}

describe('a TPM that the agent relays', () => {
  it('is the root of trust of a notary that cannot open the device, also after the relay was gone', async () => {
    const setting = await Setting.started();
    const { client } = setting.notary();
    const status = await client.configure(setting.configuration());
    expect(status).toMatchObject({ ready: true, token: { kind: 'TPM', label: '0x81000001' } });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    setting.relay.close();
    await setting.restarted();
    await eventually(
      () =>
        client.issue(freshLeaf().request).then(
          ({ chain }) => chain.length === 1,
          () => false,
        ),
      'a certificate',
    );
    expect((await client.status()).issuer?.keyUri).toBe(status.issuer?.keyUri);
  });

  it('answers commands in pieces and several at once, and ends a connection that sends what is none', async () => {
    const setting = await Setting.started();
    const twice = await setting.ask(Buffer.concat([GET_RANDOM, GET_RANDOM]), 56);
    expect(twice).toHaveLength(56);
    expect(twice.readUInt32BE(6)).toBe(0);
    for (const malformed of ['8001ffffffff0000017b0010', '800100000001000001', '00'.repeat(64)]) {
      const octets = Buffer.from(malformed.padEnd(24, '0'), 'hex');
      expect(await setting.ask(octets)).toHaveLength(0);
    }
    expect(await setting.ask(GET_RANDOM, 28)).toHaveLength(28);
    expect(setting.logged.lines).toContainEqual(
      expect.objectContaining({ msg: 'a connection to the TPM ended', err: expect.stringContaining('found one of') }),
    );
  });

  it('is said to be away where the device cannot be opened, in the log of the agent and the status', async () => {
    const setting = await Setting.started();
    const relay = new TpmRelay({ device: '/dev/no-tpm', path: setting.path, log: setting.logged.log });
    setting.relay.close();
    setting.relay = relay;
    await relay.listen();
    const { client } = setting.notary();
    expect(await client.configure(setting.configuration())).toMatchObject({ ready: false, reason: 'Unavailable' });
    expect(setting.logged.lines).toContainEqual(
      expect.objectContaining({
        device: '/dev/no-tpm',
        err: 'ENOENT',
        msg: expect.stringMatching(/^cannot open the TPM/),
      }),
    );
  });

  it('is this device and no other', async () => {
    const setting = await Setting.started();
    const status = await setting.notary().client.configure(setting.configuration('/dev/other-tpm'));
    expect(status.message).toContain('cannot open the TPM /dev/other-tpm: ENOENT; set the chart value tpm.device');
  });
});
