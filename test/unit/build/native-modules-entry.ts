// SPDX-License-Identifier: Apache-2.0
// A program that uses both native modules, for bundle.test.ts.
import koffi from 'koffi';
import pkcs11js from 'pkcs11js';

const getpid = koffi.load(null).func('int getpid()') as () => number;
console.log(JSON.stringify({ samePid: getpid() === process.pid, pkcs11: typeof new pkcs11js.PKCS11().C_Initialize }));
