import type { HostFacts } from './server-hosts.ts';

/** Where the README says to put the folder. */
export const installFolder = (name: string): string => `/opt/${name}`;

/** A service that may read its folder, answer on the network, and nothing else. */
export function systemdUnit(
  name: string,
  { title, serve }: Pick<HostFacts, 'title' | 'serve'>,
  environment: Readonly<Record<string, string>>,
): string {
  // Behind a proxy, which ends TLS and is there for clients that send slowly.
  const variables = Object.entries({
    NODE_ENV: 'production',
    PORT: '8080',
    HOST: '127.0.0.1',
    TRUST_PROXY: '1',
    ...environment,
  });
  return `[Unit]
Description=${name}: a compressed classifier on ${title}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
WorkingDirectory=${installFolder(name)}
ExecStart=/usr/bin/env ${serve.join(' ')}
${variables.map(([variable, value]) => `Environment=${quoted(`${variable}=${value}`)}`).join('\n')}
Restart=on-failure
RestartSec=1
TimeoutStopSec=15

DynamicUser=yes
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# MemoryDenyWriteExecute stays off: JavaScript and WebAssembly are compiled to machine code while they run.

[Install]
WantedBy=multi-user.target
`;
}

/** A value as systemd takes it: in quotes, where \\ and % mean something. */
function quoted(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}
