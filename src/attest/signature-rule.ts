// SPDX-License-Identifier: Apache-2.0
import { failed, held, moduleName, onlyModule, unknown, type Rule } from './rule.ts';

/** The image is signed by somebody whom the module names, if it names anybody. */
export const imageSignature: Rule = {
  name: 'ImageSignature',
  reason: 'ImageNotSigned',
  check(evidence) {
    const module = onlyModule(evidence);
    const { signature } = evidence;
    if (module === undefined) return unknown('the signatures of an image');
    if (module.signers === undefined) return held('no signature is demanded');
    if (signature?.verified === true) return held(signature.message);
    const { keys, identities } = module.signers;
    const expected = [...keys.map(({ name }) => `key ${name}`), ...identities.map(({ subject }) => subject)].join(
      ' or ',
    );
    const remedy = `sign the image (cosign sign), or correct signers of EdgeModule ${moduleName(module)}`;
    return failed(`a signature by ${expected}`, signature?.message ?? 'signatures that were not looked at', remedy);
  },
};
