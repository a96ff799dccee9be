import type { Manifest } from '../../runtime/artifact/manifest.ts';
import { SETTINGS } from '../../runtime/hosts/settings.ts';
import { requestExample } from './request-example.ts';
import type { HostFacts } from './server-hosts.ts';
import { installFolder } from './systemd-unit.ts';

/** How to run the folder, in commands to copy. */
export function serverReadme(
  name: string,
  { title, serve, manifest: [manifestFile] }: HostFacts,
  files: readonly string[],
  manifest: Manifest,
): string {
  const folder = installFolder(name);
  return `# ${name}

A compressed classifier behind HTTP, on ${title}. Written by \`slim deploy\`; \
nothing has to be installed for it but ${title}.

\`\`\`sh
${serve.join(' ')}

${requestExample('http://localhost:8080', manifest.task)}
\`\`\`

\`GET /\` is a page to try it, \`GET /openapi.json\` the description of the API.

## In a container

\`\`\`sh
docker build -t ${name} .
docker run --rm -p 8080:8080 --read-only --cap-drop ALL --security-opt no-new-privileges ${name}
\`\`\`

## As a service

\`\`\`sh
sudo mkdir -p ${folder} && sudo cp ${files.filter((file) => file !== manifestFile).join(' ')} ${folder}/
sudo cp ${name}.service /etc/systemd/system/
sudo systemctl daemon-reload && sudo systemctl enable --now ${name}
journalctl -u ${name} -f
\`\`\`

The service listens on 127.0.0.1:8080, for a proxy in front of it that ends TLS. \
${title} has to be where services find it, such as /usr/bin or /usr/local/bin.

## Settings

Environment variables; \`Dockerfile\` and \`${name}.service\` set those that \`slim deploy\` was told.

| variable | meaning | default |
|---|---|---|
| PORT, HOST | where it listens | 8080, 0.0.0.0 |
| WORKERS | threads that classify; each has the weights | processors, at most 4 |
| TRUST_PROXY | 1: count requests by the last address in X-Forwarded-For, which the proxy in front of it adds | 0 |
| ${SETTINGS.tokenDigest} | SHA-256 of the token that clients send, in hexadecimal: \
\`printf %s TOKEN \\| sha256sum\` | open to all |
| ${SETTINGS.ratePerMinute} | requests a minute of a client | no limit |
| ${SETTINGS.corsOrigins} | pages that may call, such as https://example.com, or * | its own page |
| ${SETTINGS.maxBodyBytes} | largest request | 4194304 |
| ${SETTINGS.deadlineMs} | longest answer | 30000 |

It logs JSON lines to stdout, without what requests carry. \`/healthz\` answers once it runs, \
\`/readyz\` once the model is loaded, \`/metrics\` is for Prometheus.
SIGTERM lets running requests finish, for up to 8 seconds.
`;
}
