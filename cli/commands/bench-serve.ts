import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import type { LoadTarget, Memory, ServeLoad } from '../bench/serve.ts';
import { startServeProcess } from '../bench/serve-process.ts';
import { type LoadRequest, requestOfFile, sampleRequest } from '../bench/serve-request.ts';
import { messageOf, UserError, usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes, grouped } from '../io/units.ts';
import { printResult, table } from './result.ts';

interface ServeFlags {
  readonly url?: string;
  readonly token?: string;
  readonly workers?: number;
  readonly input?: string;
  readonly connections: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly seed: number;
  readonly json: boolean;
}

/** Of the memory's samples in the text; --json has them all. */
const SHOWN_SECONDS = 10;

/** `slim bench serve`. Usage error unless either an artifact or --url is given. */
export function serveBenchCommand(io: Io): Command {
  const command = createCommand(
    'serve',
    'requests a second, latency and memory of a server under load',
    `Starts slim serve with an artifact in a process of its own, or takes a server that runs already, and sends one
request again and again over several connections. Who asks takes its share of this machine's processors, too.`,
    [
      'slim bench serve model.slim --connections 10',
      'slim bench serve model.slim --workers 2 --input cat.jpg --duration 600 --json',
      'slim bench serve --url https://models.example.com --connections 50',
    ],
  )
    .argument('[artifact]', 'a .slim file')
    .option('--url <url>', 'a server that runs, instead of an artifact')
    .addOption(new Option('--token <secret>', "the server's").env('SLIM_TOKEN').default(undefined, 'none'))
    .addOption(
      new Option('--workers <n>', 'threads that classify')
        .argParser(integer(0, 256))
        .default(undefined, "slim serve's"),
    )
    .option('--input <file>', 'a picture or a text to send; drawn or made up unless given')
    .addOption(
      new Option('--connections <n>', 'each waits for an answer before it asks again')
        .argParser(integer(1, 10_000))
        .default(10),
    )
    .addOption(new Option('--duration <seconds>', 'how long to measure').argParser(integer(1, 1_000_000)).default(60))
    .addOption(new Option('--warm-up <seconds>', 'how long before that').argParser(integer(0, 1_000_000)).default(5));
  addResultOptions(command);
  return command.action(async (artifact: string | undefined) => {
    const flags = await resolveFlags<ServeFlags>(command);
    const { input, node, ...load } = await runServeBench(artifact, flags, io);
    const result = {
      artifact: artifact ?? null,
      url: flags.url ?? null,
      connections: flags.connections,
      warmUpSeconds: flags.warmUp,
      node,
      input,
      ...load,
    };
    const title = [
      artifact ?? flags.url,
      `${flags.connections} connections`,
      `${load.seconds.toFixed(1)} s after ${flags.warmUp} s of warm-up`,
      `${input.what} (${formatBytes(input.bytes)})`,
      `Node ${node}`,
    ].join(', ');
    printResult(io, flags.json, result, [title, ...textOf(load)].join('\n'));
  });
}

interface ServeBench extends ServeLoad {
  readonly node: string;
  readonly input: { readonly what: string; readonly contentType: string; readonly bytes: number };
}

async function runServeBench(artifact: string | undefined, flags: ServeFlags, io: Io): Promise<ServeBench> {
  const { url, token, workers } = flags;
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url)))
    throw usageError(`--url ${url}: expected an address such as http://localhost:8080`);
  if ((artifact === undefined) === (url === undefined))
    throw usageError('expected either an artifact or --url', 'slim bench serve model.slim');
  if (url !== undefined && workers !== undefined)
    throw usageError('--workers is for a server that is started here', 'Leave it out with --url.');
  if (artifact === undefined) return loadServer({ url: url!.replace(/\/$/, ''), token, pid: null }, flags, io);
  const server = await startServeProcess(artifact, { token, workers }).catch((error: unknown) => {
    throwIfInterrupted(io.signal); // Ctrl-C reaches the server, too
    throw error;
  });
  try {
    return await loadServer({ url: server.url, token, pid: server.pid }, flags, {
      ...io,
      signal: AbortSignal.any([io.signal, server.gone]),
    });
  } catch (error) {
    throwIfInterrupted(io.signal);
    server.gone.throwIfAborted();
    throw error;
  } finally {
    await server.stop();
  }
}

async function loadServer(target: LoadTarget, flags: ServeFlags, io: Io): Promise<ServeBench> {
  const { url, token } = target;
  const { connections, duration, warmUp } = flags;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = await requestFor((await ask(`${url}/v1/model`, { headers })) as ModelInfo, flags);
  // Once, so that an input that can't be used is told of before a minute of refusals.
  await ask(`${url}/v1/predict`, {
    method: 'POST',
    headers: { ...headers, 'content-type': request.contentType },
    body: new Uint8Array(request.body),
  });
  const { benchServe } = await import('../bench/serve.ts');
  const progress = createProgress(io.stderr, 'second');
  const total = warmUp + duration;
  let shown = 0;
  const load = await benchServe(target, request, {
    connections,
    warmUpSeconds: warmUp,
    durationSeconds: duration,
    signal: io.signal,
    onSecond(seconds, answered) {
      const second = Math.min(total, Math.round(seconds));
      if (second > shown)
        progress.update(
          (shown = second),
          total,
          `${seconds <= warmUp ? 'warm-up' : 'measuring'}, ${grouped(answered)} answered`,
        );
    },
  });
  progress.end();
  const { what, contentType, body } = request;
  return { ...load, node: process.version, input: { what, contentType, bytes: body.length } };
}

async function requestFor(model: ModelInfo, { input, seed }: ServeFlags): Promise<LoadRequest> {
  if (input === undefined) return sampleRequest(model, seed);
  const body = await readFile(input).catch((error: unknown) => {
    throw new UserError(`can't read ${input}: ${messageOf(error)}`);
  });
  return requestOfFile(model, input, body);
}

/** One request, whose answer must be one. */
async function ask(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, init).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw new UserError(`${url} can't be reached: ${cause}`);
  });
  const body = (await response.json().catch(() => ({}))) as { detail?: unknown };
  if (!response.ok)
    throw new UserError(
      `${url} answered ${response.status}: ${String(body.detail ?? response.statusText)}`,
      response.status === 401 || response.status === 403 ? 'Give its --token.' : '',
    );
  return body;
}

function textOf({ requestsPerSecond, latencyMs, counts, memory }: ServeLoad): string[] {
  const ms =
    latencyMs === null
      ? ['-', '-', '-', '-']
      : [latencyMs.p50, latencyMs.p97_5, latencyMs.p99, latencyMs.max].map((value) => value.toFixed(2));
  return [
    table([
      ['requests/s', 'p50 ms', 'p97.5 ms', 'p99 ms', 'max ms'],
      [requestsPerSecond.toFixed(1), ...ms],
    ]),
    '',
    table([
      ['2xx', '429', '503', 'other', 'errors', 'timeouts'],
      [counts['2xx'], counts['429'], counts['503'], counts.otherStatuses, counts.errors, counts.timeouts].map(grouped),
    ]),
    '',
    ...(memory === null ? ["the server's memory is not known here"] : memoryText(memory)),
  ];
}

function memoryText({ startBytes, warmBytes, samples, endBytes, lastHalfBytesPerMinute }: Memory): string[] {
  const shown = samples.filter(
    ({ seconds }, i) =>
      Math.floor(seconds / SHOWN_SECONDS) > Math.floor((samples[i - 1]?.seconds ?? 0) / SHOWN_SECONDS),
  );
  const row = (when: string, bytes: number): string[] => [when, formatBytes(bytes)];
  const slope =
    lastHalfBytesPerMinute === null
      ? 'too few samples for a slope'
      : `last half: ${(lastHalfBytesPerMinute / 1e6).toFixed(2)} MB/min`;
  return [
    table([
      ['memory', 'resident'],
      row('start', startBytes),
      row('warm', warmBytes),
      ...shown.map(({ seconds, bytes }) => row(`${Math.floor(seconds)} s`, bytes)),
      row('end', endBytes),
    ]),
    slope,
  ];
}
