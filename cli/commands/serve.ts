import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  defaultWorkers,
  MOST_DEFAULT_WORKERS,
  processGauges,
  QUEUE_PER_WORKER,
} from '../../runtime/hosts/node-process.ts';
import type { RunningServer } from '../../runtime/hosts/node-server.ts';
import type { AppOptions, LogEntry } from '../../runtime/http/app.ts';
import { addResultOptions, createCommand, integer, number, resolveFlags } from '../args.ts';
import { builtAsset } from '../io/assets.ts';
import { openClassifier } from '../io/classifier.ts';
import { messageOf, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { type AccessFlags, accessFlags, addAccessOptions } from './access.ts';

interface ServeFlags extends AccessFlags {
  readonly port: number;
  readonly host: string;
  readonly workers: number;
  readonly queue?: number;
  readonly deadline: number;
  readonly log: 'json' | 'none';
  readonly trustProxy: boolean;
  readonly json: boolean;
}

/** `slim serve`, which serves until the signal of `io` is aborted. */
export function serveCommand(io: Io): Command {
  const command = createCommand(
    'serve',
    'answer HTTP requests with an artifact',
    `Serves an artifact until interrupted (Ctrl-C lets running requests finish):

  GET  /               a page to try it
  POST /v1/predict     for pictures: one as the body (image/*), a form, or JSON
                       {"inputs": "<base64>", "parameters": {"top_k": 5}}
                       for texts: one as the body (text/plain), a form, or JSON
                       {"inputs": "..."}, of a pair {"inputs":
                       {"text": "...", "text_pair": "..."}}
                       lists of inputs get lists of answers; ?top_k=5 works, too
  POST /               the same, answered as Hugging Face's Inference API
  GET  /v1/model       labels, rank, accuracy before and after, costs
  GET  /healthz        200 while it runs
  GET  /readyz         200 once the model is loaded
  GET  /metrics        for Prometheus
  GET  /openapi.json   all of this, for programs

Bodies may be packed (Content-Encoding: gzip, deflate). Errors are problem details
(RFC 9457), with their text as "error", too, for Hugging Face's clients. Requests are logged to stderr as JSON lines, without
what they carry.`,
    [
      'slim serve model.slim --port 8080',
      'SLIM_TOKEN=... slim serve model.slim --host 0.0.0.0 --rate-limit 600',
      'curl -H "content-type: image/jpeg" --data-binary @cat.jpg localhost:8080/v1/predict',
      'curl -H "content-type: text/plain" -d "a moving and funny film" localhost:8080/v1/predict',
    ],
  )
    .argument('<artifact>', 'a .slim file')
    .optionsGroup('Server:')
    .addOption(new Option('--port <n>', '0 takes a free one').argParser(integer(0, 65535)).default(8080))
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .addOption(
      new Option('--workers <n>', 'threads that classify, each with the weights; 0: the main one alone')
        .argParser(integer(0, 256))
        .default(defaultWorkers(), `processors, at most ${MOST_DEFAULT_WORKERS}`),
    )
    .addOption(
      new Option('--queue <n>', 'predictions that may wait; more get 503')
        .argParser(integer(0, 1_000_000))
        .default(undefined, `${QUEUE_PER_WORKER} for each worker`),
    )
    .addOption(
      new Option('--deadline <seconds>', 'later answers become 504')
        .argParser(number(0, 3600, { above: true }))
        .default(30),
    )
    .option('--trust-proxy', 'count requests by the last address in X-Forwarded-For, which a proxy of yours sets')
    .addOption(new Option('--log <format>', 'of requests, on stderr').choices(['json', 'none']).default('json'));
  addAccessOptions(command);
  addResultOptions(command);
  return command.action(async (path: string) => {
    const flags = await resolveFlags<ServeFlags>(command);
    const server = await startServer(path, flags, io);
    io.stdout.write(
      flags.json ? `${JSON.stringify({ version: 1, url: server.url })}\n` : `listening on ${server.url}\n`,
    );
    await aborted(io.signal);
    await server.close();
  });
}

/**
 * Starts serving an artifact; resolves when it is loaded. Until then the server refuses with 503 what needs the model.
 */
export async function startServer(path: string, flags: Omit<ServeFlags, 'json'>, io: Io): Promise<RunningServer> {
  const { port, host, workers, queue = QUEUE_PER_WORKER * Math.max(1, workers), deadline, trustProxy } = flags;
  const [{ serve }, { createApp }, page] = await Promise.all([
    import('../../runtime/hosts/node-server.ts'),
    import('../../runtime/http/app.ts'),
    readFile(builtAsset('page.html'), 'utf8'),
  ]);
  const options: AppOptions = {
    ...(await accessFlags(flags)),
    page,
    maxPending: Math.max(1, workers) + queue,
    deadlineMs: 1000 * deadline,
    log: logTo(io, flags.log),
    gauges: processGauges,
  };
  const opening = openClassifier(path, workers);
  const app = createApp(opening, options);
  const server = await serve(app, { port, host, trustProxy }).catch(async (error: unknown) => {
    await opening.then(
      (classifier) => classifier.close(),
      () => undefined,
    ); // the port is what to tell of, even if both failed
    throw new UserError(messageOf(error));
  });
  const classifier = await opening.catch(async (error: unknown) => {
    await server.close(0);
    throw error;
  });
  return { url: server.url, close: (graceMs) => server.close(graceMs).then(() => classifier.close()) };
}

/** Failures are always logged. */
function logTo({ stderr }: Io, format: ServeFlags['log']): (entry: LogEntry) => void {
  return (entry) => {
    if (format === 'json' || entry.level === 'error') stderr.write(`${JSON.stringify(entry)}\n`);
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
