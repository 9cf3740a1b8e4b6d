// SPDX-License-Identifier: Apache-2.0
import type { HubModuleName } from './hub-port.ts';

/** What IoT Hub allows in a module id. */
export const MODULE_ID = /^[A-Za-z0-9\-+%_#*?!(),:=@$'.]{1,128}$/;
export const GENERATION_ID = /^[A-Za-z0-9_.-]{1,128}$/;
export const NAMESPACE = /^[a-z0-9][a-z0-9-]{0,127}$/;

/**
 * The module in the parts of a name under which a key of it is kept: namespace, generation id and module id, of which only
 * the last may hold colons. Undefined where that is no name of ours.
 */
export function hubModuleName([namespace = '', generationId = '', ...rest]: readonly string[]):
  HubModuleName | undefined {
  const moduleId = rest.join(':');
  const sound = NAMESPACE.test(namespace) && GENERATION_ID.test(generationId) && MODULE_ID.test(moduleId);
  return sound ? { namespace, moduleId, generationId } : undefined;
}
