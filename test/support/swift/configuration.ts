/**
 * OpenStack Swift on one machine, one device, one replica: its configuration files and the rings that say where what is
 * kept.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

export const SERVERS = ['account', 'container', 'object', 'proxy'] as const;
export type Server = (typeof SERVERS)[number];

/** An account and its one user, for S3: the access key is `test:tester`. */
export const ACCESS_KEY = 'test:tester';
export const SECRET_KEY = 'testing';

// tempauth asks for a cache. Nothing listens at port 1: this one is always empty.
const PROXY_FILTERS = `
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_${ACCESS_KEY.replace(':', '_')} = ${SECRET_KEY} .admin
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
`;
const PROXY_PIPELINE = 'catch_errors gatekeeper healthcheck cache bulk s3api tempauth slo';

/** Writes everything into a folder. Gives the configuration file of each server. */
export function writeConfiguration(
  folder: string,
  ports: Readonly<Record<Server, number>>,
): Readonly<Record<Server, string>> {
  mkdirSync(join(folder, 'devices', 'd1'), { recursive: true });
  writeFileSync(
    join(folder, 'swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n',
  );
  writeRings(folder, ports);
  const files = SERVERS.map((server) => {
    const file = join(folder, `${server}-server.conf`);
    writeFileSync(file, configurationOf(server, folder, ports[server]));
    return [server, file] as const;
  });
  return Object.fromEntries(files) as Record<Server, string>;
}

/** No worker processes: one process a server that `kill` ends. */
function configurationOf(server: Server, folder: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${join(folder, 'devices')}
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = ${server === 'proxy' ? PROXY_PIPELINE : 'healthcheck'} ${server}-server
[app:${server}-server]
use = egg:swift#${server}
${server === 'proxy' ? 'account_autocreate = true' : ''}
[filter:healthcheck]
use = egg:swift#healthcheck
${server === 'proxy' ? PROXY_FILTERS : ''}`;
}

const RINGS = `
import sys
from swift.common.ring import RingBuilder
folder, *ports = sys.argv[1:]
for kind, port in zip(('account', 'container', 'object'), ports):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port), 'device': 'd1', 'weight': 1})
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{kind}.ring.gz')
`;

function writeRings(folder: string, { account, container, object }: Readonly<Record<Server, number>>): void {
  // Debian's Python, for which Debian's Swift is installed, whatever else is on the path.
  execFileSync('/usr/bin/python3', ['-c', RINGS, folder, String(account), String(container), String(object)]);
}
