import type { AppOptions } from '../../../runtime/http/app.ts';

/** Where the web API runs, as the HTTP suite sees it. */
export interface HttpHost {
  readonly name: HttpHostName;
  /** Why it can't run here; null where it can. */
  readonly absent: string | null;
  /** Serves an artifact. */
  start(artifact: string, settings: HostSettings): Promise<RunningHost>;
}

export type HttpHostName = 'slim serve' | 'node' | 'node 24' | 'bun' | 'deno' | 'cloudflare' | 'lambda';

export interface HostSettings extends Pick<AppOptions, 'corsOrigins' | 'maxBodyBytes'> {
  readonly token?: string;
}

export interface RunningHost {
  /** Without a slash at the end. */
  readonly url: string;
  stop(): Promise<void>;
}
