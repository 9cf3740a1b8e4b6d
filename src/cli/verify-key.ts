// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, X509Certificate } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { parseKeyEvidence } from '../integrity/key-evidence-reader.ts';
import { keyStatements, type Statement } from '../integrity/key-statements.ts';
import { EXIT, JSON_OPTION, text, UsageError, type Command, type Exit, type Invocation } from './command.ts';
import type { Style } from './port.ts';

export const verifyKey: Command = {
  name: 'verify-key',
  operands: 'FILE',
  summary: 'Tells what evidence of a key proves and what is only claimed, without any network',
  options: {
    nonce: { type: 'string', value: 'HEX', help: 'the nonce that the evidence was asked for with' },
    'public-key': { type: 'string', value: 'FILE', help: 'PEM of the key or of a certificate of it, to compare with' },
    'attestation-key': {
      type: 'string',
      value: 'NAME',
      help: "the controller's EdgeDevice.status.integrity.verified.attestationKey",
    },
    'endorsement-roots': { type: 'string', value: 'FILE', help: "PEM of TPM makers' certificates" },
    ...JSON_OPTION,
  },
  details:
    'FILE is what keystead key-evidence writes. A TPM signs where a key lives; a PKCS#11 token only says so.\n\n' +
    'Exit code: 0 proven to live in hardware, 1 only claimed, 2 refuted.',
  run(invocation) {
    const { terminal, positionals, readText, values } = invocation;
    const [file] = positionals;
    if (file === undefined || positionals.length > 1) throw new UsageError('verify-key expects one FILE');
    const found = keyStatements(parseKeyEvidence(readText(file)), known(invocation));
    if (values['json'] === true)
      terminal.out(JSON.stringify({ proven: exitOf(found) === EXIT.Ok, statements: found }, undefined, 2));
    else
      for (const { level, text: said } of found)
        terminal.out(`${terminal.style(STYLES[level], level.padEnd(7))} ${said}`);
    return Promise.resolve(exitOf(found));
  },
};

const STYLES: Readonly<Record<Statement['level'], Style>> = { Proven: 'green', Claimed: 'yellow', Refuted: 'red' };

function exitOf(statements: readonly Statement[]): Exit {
  if (statements.some(({ level }) => level === 'Refuted')) return EXIT.Failure;
  return statements[0]?.level === 'Proven' ? EXIT.Ok : EXIT.Attention;
}

function known({ values, readText, clock }: Invocation): Parameters<typeof keyStatements>[1] {
  const nonce = text(values, 'nonce');
  if (nonce !== undefined && !/^([0-9a-f]{2})+$/.test(nonce)) {
    throw new UsageError(`--nonce: expected hexadecimal digits in lower case, found ${nonce}`);
  }
  const publicKey = text(values, 'public-key');
  const attestationKey = text(values, 'attestation-key');
  const roots = text(values, 'endorsement-roots');
  return {
    now: clock.now(),
    ...(nonce !== undefined && { nonce: Buffer.from(nonce, 'hex') }),
    ...(publicKey !== undefined && { publicKey: publicKeyIn(readText(publicKey), publicKey) }),
    ...(attestationKey !== undefined && { attestationKey }),
    ...(roots !== undefined && { roots: readText(roots) }),
  };
}

function publicKeyIn(pem: string, file: string): Buffer {
  try {
    const key = pem.includes('CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
    return key.export({ format: 'der', type: 'spki' });
  } catch (cause) {
    throw new KeysteadError('InvalidRequest', `${file}: expected PEM of a public key or certificate`, { cause });
  }
}
