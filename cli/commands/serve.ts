import { Option, type Command } from 'commander';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { openClassifier } from '../io/classifier.ts';
import { messageOf, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import type { RunningServer } from '../../runtime/hosts/node-server.ts';

interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly maxBodyBytes: number;
  readonly workers: number;
  readonly json: boolean;
}

export function serveCommand(io: Io): Command {
  const command = createCommand(
    'serve',
    'answer HTTP requests with an artifact',
    `Serves an artifact until interrupted:

  GET  /healthz      200 once it answers
  GET  /v1/model     labels, parameters, MACs, bytes, preprocessing
  POST /v1/predict   for pictures, one as the body, or JSON {"image": base64, "topK": 5};
                     for texts, one as the body (text/plain), or JSON
                     {"text": "...", "textPair": "...", "topK": 5}

Errors are problem details (RFC 9457).`,
    [
      'slim serve model.slim --port 8080',
      'curl -H "content-type: image/jpeg" --data-binary @cat.jpg localhost:8080/v1/predict',
      'curl -H "content-type: text/plain" -d "a moving and funny film" localhost:8080/v1/predict',
    ],
  )
    .argument('<artifact>', 'a .slim file')
    .addOption(new Option('--port <n>', '0 takes a free one').argParser(integer(0, 65535)).default(8080))
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .addOption(new Option('--max-body-bytes <n>', 'larger requests are refused').argParser(integer(1024, 1 << 30)).default(4 * 1024 ** 2))
    .addOption(new Option('--workers <n>', 'threads with an engine (and the weights) each; 0 for none beside the main one').argParser(integer(0, 256)).default(0));
  addResultOptions(command);
  return command.action(async (path: string) => {
    const flags = await resolveFlags<ServeFlags>(command);
    const server = await startServer(path, flags, io);
    io.stdout.write(flags.json ? `${JSON.stringify({ version: 1, url: server.url })}\n` : `listening on ${server.url}\n`);
    await aborted(io.signal);
    await server.close();
  });
}

/** Starts serving an artifact. */
export async function startServer(path: string, { port, host, maxBodyBytes, workers }: Omit<ServeFlags, 'json'>, io: Io): Promise<RunningServer> {
  const { close, ...opened } = await openClassifier(path, workers);
  const [{ serve }, { createApp }] = await Promise.all([import('../../runtime/hosts/node-server.ts'), import('../../runtime/http/app.ts')]);
  const options = { maxBodyBytes, onFailure: (error: Error) => io.stderr.write(`failed: ${error.message}\n`) };
  const app = opened.task === 'image-classification' ? createApp(opened.classifier, options) : createApp(opened.classifier, options);
  const server = await serve(app, { port, host }).catch(async (error: unknown) => {
    await close();
    throw new UserError(messageOf(error));
  });
  return { url: server.url, close: (graceMs) => server.close(graceMs).then(close) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
