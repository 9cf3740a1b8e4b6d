// SPDX-License-Identifier: Apache-2.0
export { readLab, type Lab } from './lab-file.ts';
export { NODE_NAME } from './settings.ts';
