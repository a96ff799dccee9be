/** `slim report --watch`: the page, served on this machine alone, and made anew whenever a run logs something. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { serve } from '../../runtime/hosts/node-server.ts';
import { messageOf, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { type Html, html, verbatim } from '../report/html.ts';
import { SWEEP_FILES } from '../sweep/plan.ts';
import { RUN_FILES } from '../train/run-directory.ts';

/** How often runs are looked at, and how often an open page asks. */
const LOOK_MS = 1000;

const SCRIPT = `
const now = document.currentScript.dataset.version;
setInterval(async () => {
  const said = await fetch('version').then((response) => response.text(), () => now);
  if (said !== now) location.reload();
}, ${LOOK_MS});
`;

const POLICY = [
  "default-src 'none'",
  'img-src data:',
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = { 'content-security-policy': POLICY, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** A page that is served. */
export interface ServedReport {
  readonly url: string;
  /** Resolves when the user has interrupted it and the server is closed. */
  readonly ended: Promise<void>;
}

/** Serves what `make` makes of the runs; it is given what asks for the next version. Rejects where the first fails. */
export async function serveReport(
  paths: readonly string[],
  port: number,
  make: (head: Html) => Promise<string>,
  io: Io,
): Promise<ServedReport> {
  let version = await versionOf(paths);
  const made = (): Promise<string> => make(html`<script data-version="${version}">${verbatim(SCRIPT)}</script>`);
  let page = await made();
  const server = await serve({ fetch: (request) => answer(request, page, version) }, { port }).catch(
    (error: unknown) => {
      throw new UserError(messageOf(error));
    },
  );
  const progress = createProgress(io.stderr, 'report');
  let said = '';
  async function watch(): Promise<void> {
    while (!io.signal.aborted) {
      await setTimeout(LOOK_MS, undefined, { signal: io.signal }).catch(() => undefined);
      const next = await versionOf(paths);
      if (io.signal.aborted || next === version) continue;
      const before = version;
      version = next;
      try {
        page = await made();
      } catch (error) {
        // A run that is being replaced has no record for a moment: the page stays, and the next look may see more.
        version = before;
        if (said !== messageOf(error)) progress.line(`note: ${messageOf(error)}`);
        said = messageOf(error);
      }
    }
    await server.close(0);
  }
  return { url: server.url, ended: watch() };
}

/** Changes whenever a log or a record does. */
async function versionOf(paths: readonly string[]): Promise<string> {
  const files = paths.flatMap((path) => [
    path,
    join(path, RUN_FILES.metrics),
    join(path, RUN_FILES.record),
    join(path, SWEEP_FILES.rows),
  ]);
  const states = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size, mtimeMs }) => `${size} ${mtimeMs}`,
        () => 'absent',
      ),
    ),
  );
  return createHash('sha256').update(states.join('\n')).digest('hex').slice(0, 16);
}

function answer(request: Request, page: string, version: string): Response {
  const { pathname, hostname } = new URL(request.url);
  // A page of somebody else's, whose name is made to lead here, may not read this one.
  if (hostname !== '127.0.0.1' && hostname !== 'localhost') return new Response('no such host', { status: 421 });
  if (request.method !== 'GET') return new Response('only GET', { status: 405, headers: { allow: 'GET' } });
  if (pathname === '/version') return new Response(version, { headers: HEADERS });
  if (pathname !== '/') return new Response('not found', { status: 404 });
  return new Response(page, { headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' } });
}
