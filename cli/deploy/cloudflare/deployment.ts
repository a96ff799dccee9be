/** A model on Cloudflare Workers: upload, then the same question to the worker and to this machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UserError } from '../../io/errors.ts';
import type { Io } from '../../io/io.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { writeDeployFolder } from '../folder.ts';
import { checkSmoke, type SmokeTest, smokeTestOf } from '../smoke.ts';
import { type CloudflareSettings, cloudflareProject } from './project.ts';
import { ensureBucket, findWrangler, putObject, wranglerDeploy } from './wrangler.ts';

/** What is deployed, and what deploying needs of its surroundings. */
export interface CloudflareDeployment extends CloudflareSettings {
  /** Program to run as wrangler; looked for unless given. */
  readonly wrangler?: string;
  /** For the smoke request; the worker gets its digest. */
  readonly token?: string;
  /** The network; a test has its own. */
  readonly fetch?: typeof fetch;
  /** How long a new worker may take until it answers, 60 s unless given. */
  readonly patienceMs?: number;
}

/** What is there now. */
export interface CloudflareDeployed {
  readonly name: string;
  readonly versionId: string | null;
  /** None where the account has no workers.dev subdomain, or hides it. */
  readonly url: string | null;
  /** Whether the worker was asked, and answered as this machine does. */
  readonly checked: boolean;
}

/**
 * Deploys an artifact as a worker. Where the worker does not answer as it should, it stays deployed. @throws UserError
 */
export async function deployCloudflare(
  artifactPath: string,
  settings: CloudflareDeployment,
  io: Io,
): Promise<CloudflareDeployed> {
  const [{ files, object }, smoke, wrangler] = await Promise.all([
    cloudflareProject(artifactPath, settings),
    smokeTestOf(artifactPath),
    findWrangler(settings.wrangler),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'slim-cloudflare-'));
  try {
    await writeDeployFolder(folder, 'cloudflare', files, false);
    if (object !== null) {
      await ensureBucket(wrangler, folder, object.bucket, io);
      await putObject(wrangler, folder, object.bucket, object.key, io);
    }
    const { versionId, targets } = await wranglerDeploy(wrangler, folder, `slim: artifact ${smoke.digest}`, io);
    const url = targets.find((target) => target.startsWith('https://')) ?? null;
    return { name: settings.name, versionId, url, checked: await checkWorker(url, smoke, settings, io) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Asks the worker what this machine was asked. False where it can't be asked: no URL, or nobody gave the token that it
 * wants.
 */
async function checkWorker(
  url: string | null,
  smoke: SmokeTest,
  { name, access, token, fetch: ask = fetch, patienceMs = 60_000 }: CloudflareDeployment,
  io: Io,
): Promise<boolean> {
  if (url === null || (access.tokenDigest !== undefined && token === undefined)) return false;
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    await untilServed(
      () => ask(`${url}/v1/model`, { headers: authorization, signal: io.signal }),
      smoke.digest,
      patienceMs,
      io.signal,
    );
    const response = await ask(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': smoke.contentType, ...authorization },
      body: smoke.body,
      signal: io.signal,
    });
    checkSmoke(smoke, response.status, await response.text());
    return true;
  } catch (error) {
    throwIfInterrupted(io.signal);
    throw new UserError(
      `${name} is deployed, but failed its smoke request: ${messageOf(error)}`,
      `See its log with npx wrangler tail ${name}; go back with npx wrangler rollback --name ${name}.`,
    );
  }
}

/**
 * Waits until the new worker answers everywhere where this machine asks: a name takes a while to be known, and so does
 * a new version.
 */
async function untilServed(
  askModel: () => Promise<Response>,
  digest: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now();
  for (let pauseMs = 250; ; pauseMs = Math.min(2 * pauseMs, 4000)) {
    const found = await askModel().then(describe, (error: unknown) => messageOf(error));
    throwIfInterrupted(signal);
    if (found === digest) return;
    if (performance.now() - began > patienceMs)
      throw new UserError(`after ${Math.round(patienceMs / 1000)} s it serves ${found}, expected ${digest}`);
    await sleep(pauseMs, undefined, { signal }).catch(() => throwIfInterrupted(signal));
  }
}

/** The digest of the artifact that is served, or what came instead. */
async function describe(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return response.ok
      ? `${(JSON.parse(text) as { digest?: unknown }).digest as string}`
      : `${response.status} (${text.slice(0, 200)})`;
  } catch {
    return `no JSON (${text.slice(0, 200)})`;
  }
}
