// SPDX-License-Identifier: Apache-2.0
import { Authority, type AuthorityOptions, type IssuingAuthority } from './authority.ts';
import type { IssuerSettings } from './issuer-settings.ts';
import type { NotaryConfiguration } from './port.ts';
import { PreloadedAuthority } from './preloaded-authority.ts';

type AuthorityParts = Pick<AuthorityOptions, 'root' | 'state' | 'clock' | 'log'> & {
  readonly configuration: NotaryConfiguration;
};

/** Opens the CA that the configuration names. Throws what that kind throws. */
export function openAuthority({ configuration, ...parts }: AuthorityParts): IssuingAuthority {
  const { issuer: settings, trustDomain, node } = configuration;
  if ('preloaded' in settings) return new PreloadedAuthority({ ...parts, trustDomain, settings });
  return new Authority({ ...parts, configuration: { trustDomain, node }, settings });
}

/** Whether the same CA goes on under other settings; else it has to be opened anew. */
export function isSameAuthority(a: IssuerSettings, b: IssuerSettings): boolean {
  const [one, other] = [a, b].map((settings) => ('preloaded' in settings ? settings.preloaded : 'selfSigned'));
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Gives an authority its changed settings; of a preloaded one there are none. */
export function reconfigureAuthority(authority: IssuingAuthority, settings: IssuerSettings): void {
  if (authority instanceof Authority && !('preloaded' in settings)) authority.reconfigure(settings);
}
