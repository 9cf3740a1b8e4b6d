// SPDX-License-Identifier: Apache-2.0
'use strict';
/**
 * Stands for the IoT Edge hub: an MQTT broker over TLS that lets a module in only with a SAS token signed by the key that
 * the hub knows (HUB_KEYS, by module id). Its certificate comes from the Workload API, as the real one's does: it is the
 * module $edgeHub. Says what happens as lines on stdout.
 */
const { createHmac, timingSafeEqual } = require('node:crypto');
const { request } = require('node:http');
const { createServer } = require('node:tls');
const aedes = require('aedes');

const {
  IOTEDGE_WORKLOADURI,
  IOTEDGE_IOTHUBHOSTNAME: HUB,
  IOTEDGE_DEVICEID: DEVICE,
  HUB_KEYS,
  SERVER_NAME,
} = process.env;
const KEYS = JSON.parse(HUB_KEYS);
const say = (what, ...more) => console.log([what, ...more].join(' '));
const twins = new Map();
/** Clients that take methods and have not answered one yet. */
const asked = new Set();

function workload(method, path, body) {
  const socketPath = new URL(IOTEDGE_WORKLOADURI).pathname;
  return new Promise((resolve, reject) => {
    const options = { socketPath, method, path, headers: { 'content-type': 'application/json' } };
    const call = request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString());
        if (response.statusCode < 300) resolve(answer);
        else reject(new Error(`${response.statusCode}: ${answer.message}`));
      });
    });
    call.on('error', reject);
    call.end(body && JSON.stringify(body));
  });
}

/** Why a token is not the module's; undefined where it is. */
function fault({ deviceId, moduleId }, token) {
  const [, sr, sig, se] = /^SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=(\d+)$/.exec(token) ?? [];
  if (sr === undefined) return 'no SAS token';
  if (deviceId !== DEVICE || KEYS[moduleId] === undefined) return 'a module that the hub does not know';
  if (decodeURIComponent(sr) !== `${HUB}/devices/${deviceId}/modules/${moduleId}`) return `a token for ${sr}`;
  if (Number(se) * 1000 < Date.now()) return 'an expired token';
  // What was signed is the resource as it was sent.
  const expected = createHmac('sha256', Buffer.from(KEYS[moduleId], 'base64')).update(`${sr}\n${se}`).digest();
  const given = Buffer.from(decodeURIComponent(sig), 'base64');
  return given.length === expected.length && timingSafeEqual(given, expected) ? undefined : 'another signature';
}

const broker = aedes({
  authenticate(client, username, password, done) {
    const [deviceId, moduleId] = client.id.split('/');
    const names = { deviceId, moduleId };
    const rightUser = String(username).startsWith(`${HUB}/${client.id}/`);
    const found = rightUser ? fault(names, String(password)) : `user ${username}`;
    say(
      found === undefined ? 'connected' : 'refused',
      client.id,
      found ?? `until=${/se=(\d+)/.exec(String(password))[1]}`,
    );
    client.module = moduleId;
    done(null, found === undefined);
  },
});

/** To one client, as the hub answers it. */
function reply(client, topic, payload) {
  client.publish({ topic, payload: JSON.stringify(payload), qos: 0, retain: false }, () => undefined);
}

broker.on('publish', ({ topic, payload }, client) => {
  if (!client) return;
  const [, rid] = /[?&]\$rid=([^&]+)/.exec(topic) ?? [];
  const twin = twins.get(client.module) ?? { desired: { interval: 5, $version: 1 }, reported: { $version: 1 } };
  twins.set(client.module, twin);
  if (topic.startsWith('$iothub/twin/GET/')) reply(client, `$iothub/twin/res/200/?$rid=${rid}`, twin);
  else if (topic.startsWith('$iothub/twin/PATCH/properties/reported/')) {
    Object.assign(twin.reported, JSON.parse(payload.toString()), { $version: twin.reported.$version + 1 });
    reply(client, `$iothub/twin/res/204/?$rid=${rid}&$version=${twin.reported.$version}`, '');
    say('reported', client.id, JSON.stringify(twin.reported));
  } else if (topic.startsWith('$iothub/methods/res/')) {
    asked.delete(client.id);
    say('method-result', client.id, topic.split('/')[3], payload);
  } else say('event', client.id, decodeURIComponent(topic.replace(/^.*\/messages\/events\//, '')), payload);
});
// A client may just be connecting anew with its next token: it is called until it answers.
broker.on('subscribe', (subscriptions, { id }) => {
  if (subscriptions.some(({ topic }) => topic.startsWith('$iothub/methods/POST/'))) asked.add(id);
});
setInterval(() => {
  for (const id of asked) {
    const client = broker.clients[id];
    if (client) reply(client, '$iothub/methods/POST/ping/?$rid=7', { from: 'the hub' });
  }
}, 1000);
for (const event of ['clientError', 'connectionError']) {
  broker.on(event, (client, error) => say('client-error', client?.id ?? '?', error.message));
}

async function serve() {
  const module = `/modules/${encodeURIComponent(process.env.IOTEDGE_MODULEID)}/genid/${process.env.IOTEDGE_MODULEGENERATIONID}`;
  const path = `${module}/certificate/server?api-version=${process.env.IOTEDGE_APIVERSION}`;
  const { certificate, privateKey } = await workload('POST', path, { commonName: SERVER_NAME });
  const server = createServer({ cert: certificate, key: privateKey.bytes }, broker.handle);
  server.on('tlsClientError', (error) => say('tls-error', error.message));
  server.listen(8883, () => say('serving', SERVER_NAME));
}

serve().catch((error) => {
  say('failed', error.message);
  process.exit(1);
});
