// SPDX-License-Identifier: Apache-2.0
'use strict';
/** A module as Azure's documentation shows it: everything that it knows comes from its environment. */
const { readFileSync } = require('node:fs');
const { Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const say = (what, ...more) => console.log([what, ...more].join(' '));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function run() {
  const client = await ModuleClient.fromEnvironment(Mqtt);
  client.on('error', (error) => say('client-error', error.message));
  // Short, so that renewals can be watched; any options replace the CA that fromEnvironment has set.
  const tokenRenewal = { tokenValidTimeInSeconds: 20, tokenRenewalMarginInSeconds: 16 };
  await client.setOptions({ tokenRenewal, ca: readFileSync('/var/run/keystead/ca.crt', 'utf8') });
  await client.open();
  say('opened');
  client.onMethod('ping', (call, answer) => {
    say('method', call.methodName, JSON.stringify(call.payload));
    answer.send(200, { pong: true }, () => undefined);
  });
  const twin = await client.getTwin();
  say('twin', JSON.stringify(twin.properties.desired));
  await new Promise((resolve, reject) =>
    twin.properties.reported.update({ program: 'node' }, (error) => (error ? reject(error) : resolve())),
  );
  await client.sendOutputEvent('out1', new Message('by an output'));
  for (let count = 1; ; count++) {
    await client.sendEvent(new Message(`event ${count}`));
    say('sent', count);
    await pause(500);
  }
}

run().catch(async (error) => {
  say('failed', error.name, error.message);
  // Stays, so that the log can be read.
  await pause(1e9);
});
