// A process of one peer of `slim bench compare`, so that none pays for another's memory, threads or compiled code:
// forked with messages of `PeerRequest`, answers each in turn, and ends with its parent.
import { openRunner } from './open-runner.ts';
import type { PeerReplies, PeerRequest } from './protocol.ts';
import type { Runner } from './runner.ts';

let runner: Runner | null = null;
let last: Promise<void> = Promise.resolve();

process.on('message', (request: PeerRequest) => {
  last = last.then(async () => {
    try {
      process.send!({ reply: await reply(request) });
    } catch (error) {
      process.send!({ error: error instanceof Error ? error.message : String(error) });
    }
  });
});
process.on('disconnect', () => process.exit());

async function reply(request: PeerRequest): Promise<PeerReplies[PeerRequest['ask']]> {
  switch (request.ask) {
    case 'open': {
      await runner?.close();
      const started = performance.now();
      runner = await openRunner(request.model);
      return performance.now() - started;
    }
    case 'answer': {
      const { samples, batch } = request;
      const answers: Float32Array[] = [];
      for (let i = 0; i < samples.length; i += batch)
        answers.push(...(await runner!.answer(samples.slice(i, i + batch))));
      return answers;
    }
    case 'time':
      return timed(request.samples, request.ms);
    case 'memory':
      return process.memoryUsage.rss();
    default:
      return request satisfies never;
  }
}

async function timed(
  samples: Extract<PeerRequest, { ask: 'time' }>['samples'],
  ms: number,
): Promise<PeerReplies['time']> {
  const times: number[] = [];
  const before = process.cpuUsage();
  const end = performance.now() + ms;
  do {
    const started = performance.now();
    await runner!.answer(samples);
    times.push(performance.now() - started);
  } while (performance.now() < end);
  const { user, system } = process.cpuUsage(before);
  return { times, cpuMs: (user + system) / 1000 };
}
