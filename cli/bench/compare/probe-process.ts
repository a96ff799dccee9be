/** The process of one peer, seen from outside. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../../io/assets.ts';
import { UserError } from '../../io/errors.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import type { PeerReplies, PeerRequest } from './protocol.ts';

/** Answers one request at a time. Who started it has to `stop` it. */
export interface PeerProcess {
  /** @throws UserError that names the peer, where it can't or has ended; Interrupted */
  ask<R extends PeerRequest>(request: R): Promise<PeerReplies[R['ask']]>;
  /** Resolves when it is gone. */
  stop(): Promise<void>;
}

/** Starts a process that has nothing loaded yet. `name` is for messages. */
export function startPeerProcess(name: string, signal: AbortSignal): PeerProcess {
  const child = fork(fileURLToPath(builtAsset('compare-probe.mjs')), [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let written = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (written = (written + text).slice(-2000)));
  // Not `close`: after `disconnect` here that never comes.
  const gone = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  let heard: { resolve(reply: unknown): void; reject(error: Error): void } | null = null;
  child.on('message', (message: { readonly reply?: unknown; readonly error?: string }) => {
    if (message.error === undefined) heard?.resolve(message.reply);
    else heard?.reject(new UserError(`${name}: ${message.error}`));
  });
  const ended = (): Error =>
    new UserError(`the process of ${name} ended by itself${written === '' ? '' : `: ${written.trim()}`}`);
  child.on('error', () => heard?.reject(ended()));
  void gone.then(() => heard?.reject(ended()));
  return {
    async ask<R extends PeerRequest>(request: R): Promise<PeerReplies[R['ask']]> {
      throwIfInterrupted(signal);
      try {
        return (await new Promise((resolve, reject) => {
          heard = { resolve, reject };
          if (child.exitCode !== null || child.signalCode !== null) reject(ended());
          else child.send(request);
        })) as PeerReplies[R['ask']];
      } catch (error) {
        throwIfInterrupted(signal); // Ctrl-C reaches the process, too.
        throw error;
      }
    },
    async stop() {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
