'use strict';
// The client program for the npm package `nacos`; the protocol is in ../harness.py.

const net = require('net');
const path = require('path');
const readline = require('readline');
const util = require('util');

const say = message => process.stdout.write(JSON.stringify(message) + '\n');
const note = (...words) => process.stderr.write(util.format(...words) + '\n');
console.log = console.info = note; // what a library prints belongs to standard error
const logger = { debug() {}, info() {}, log: note, warn: note, error: note };

const toLibrary = one => ({
  ip: one.ip,
  port: one.port,
  weight: one.weight,
  healthy: one.healthy,
  enabled: one.enabled,
  ephemeral: one.ephemeral,
  clusterName: one.cluster,
  metadata: one.metadata,
});

const fromLibrary = several => several.map(one => ({
  ip: one.ip,
  port: one.port,
  weight: one.weight,
  healthy: one.healthy,
  enabled: one.enabled,
  ephemeral: one.ephemeral,
  cluster: one.clusterName,
  metadata: one.metadata,
}));

// The configuration client shares its work among the processes of a machine through one port, whatever their servers
// and their lives. Each program here stands for a machine of its own and so gets a port of its own.
async function ownClusterPort() {
  const probe = net.createServer();
  await new Promise(resolve => probe.listen(0, '127.0.0.1', resolve));
  process.env.NODE_CLUSTER_CLIENT_PORT = String(probe.address().port);
  await new Promise(resolve => probe.close(resolve));
}

function operations(naming, config) {
  const told = new Map(); // the library takes away only what it was given
  return {
    async update(fields) {
      return await this.register(fields);
    },
    async of_cluster({ service, group, cluster }) {
      return fromLibrary(await naming.getAllInstances(service, group, cluster, false));
    },
    async server_is_up() {
      return await naming.getServerStatus() === 'UP';
    },
    async unsubscribe({ service, group }) {
      naming.unSubscribe({ serviceName: service, groupName: group }, told.get(service));
      return true;
    },
    async unlisten({ data_id, group }) {
      config.unSubscribe({ dataId: data_id, group }, told.get(data_id));
      return true;
    },
    async publish_as({ data_id, group, content, type }) {
      return await config.publishSingle(data_id, group, content, { type });
    },
    async register({ service, group, instance }) {
      await naming.registerInstance(service, toLibrary(instance), group);
      return true;
    },
    async deregister({ service, group, instance }) {
      await naming.deregisterInstance(service, toLibrary(instance), group);
      return true;
    },
    async instances({ service, group }) {
      return fromLibrary(await naming.getAllInstances(service, group, '', false));
    },
    async select_healthy({ service, group }) {
      return fromLibrary(await naming.selectInstances(service, group, '', true, false));
    },
    async subscribe({ service, group }) {
      told.set(service, several => say({ event: 'instances', service, group, instances: fromLibrary(several) }));
      naming.subscribe({ serviceName: service, groupName: group }, told.get(service));
      return true;
    },
    async publish({ data_id, group, content }) {
      return await config.publishSingle(data_id, group, content);
    },
    async get({ data_id, group }) {
      return await config.getConfig(data_id, group);
    },
    async remove({ data_id, group }) {
      return await config.remove(data_id, group);
    },
    async listen({ data_id, group }) {
      told.set(data_id, content => say({ event: 'config', data_id, group, content }));
      config.subscribe({ dataId: data_id, group }, told.get(data_id));
      return true;
    },
  };
}

async function main(server, folder) {
  await ownClusterPort();
  const { NacosConfigClient, NacosNamingClient } = require('nacos');
  const naming = new NacosNamingClient({ logger, serverList: server });
  const config = new NacosConfigClient({ serverAddr: server, cacheDir: path.join(folder, 'cache') });
  naming.on('error', note);
  config.on('error', note);
  await Promise.all([ naming.ready(), config.ready() ]);
  say({ event: 'ready' });

  const can = operations(naming, config);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, op, ...fields } = JSON.parse(line);
    try {
      say({ id, ok: true, result: await can[op](fields) });
    } catch (error) {
      say({ id, ok: false, error: String(error) });
    }
  }
  process.exit(0);
}

main(process.argv[2], process.argv[3]);
