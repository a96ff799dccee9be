import type { Manifest } from '../../../runtime/artifact/manifest.ts';
import { SETTINGS } from '../../../runtime/hosts/settings.ts';
import { requestExample } from '../request-example.ts';

/** An artifact in R2. */
export interface BucketObject {
  readonly bucket: string;
  /** Names the artifact's SHA-256: what is there under it is right. */
  readonly key: string;
}

/** How to deploy the project by hand. */
export function cloudflareReadme(name: string, task: Manifest['task'], object: BucketObject | null): string {
  const upload =
    object === null
      ? ''
      : `npx wrangler r2 bucket create ${object.bucket}
npx wrangler r2 object put ${object.bucket}/${object.key} --file ${object.key} --remote
`;
  return `# ${name}

A compressed classifier as a Cloudflare worker. Written by \`slim deploy\`. It needs Node 22 or later, and an account: \
\`npx wrangler login\`, or a token in
\`CLOUDFLARE_API_TOKEN\` that may edit Workers scripts${object === null ? '' : ' and R2'}.

\`\`\`sh
npm install
${upload}npx wrangler deploy

${requestExample(`https://${name}.SUBDOMAIN.workers.dev`, task)}
\`\`\`

\`npx wrangler dev\` runs it here; \`npx wrangler rollback\` goes back to the version before; \
\`npx wrangler tail\` shows its log.

## Settings

\`vars\` in \`wrangler.jsonc\`:

| variable | meaning | default |
|---|---|---|
| ${SETTINGS.tokenDigest} | SHA-256 of the token that clients send, in hexadecimal: \
\`printf %s TOKEN \\| sha256sum\` | open to all |
| ${SETTINGS.ratePerMinute} | requests a minute of a client, to one isolate | no limit |
| ${SETTINGS.corsOrigins} | pages that may call, such as https://example.com, or * | its own page |
| ${SETTINGS.maxBodyBytes} | largest request | 4194304 |
| ${SETTINGS.deadlineMs} | longest answer | 30000 |

## What is different at Cloudflare

- Many isolates answer, each for itself: \`/metrics\` and rate limits are those of the one that answers. \
Cloudflare's dashboard has the whole; its rate limiting rules count for all.
- Clocks stand still while a worker computes, so \`latencyMs\` is 0 or nearly so. \
CPU time is in the dashboard: 10 ms a request on the free plan, 30 s on the paid one.
- An isolate has 128 MB. Pictures that would not fit beside the model are refused (422) from their header.
`;
}
