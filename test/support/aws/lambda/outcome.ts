/** What Lambda makes of an invocation's end. */
import type { Answer } from './runtime-process.ts';

/** A payload to a function, in bytes. The answer may be 100 bytes longer. */
export const MAX_REQUEST_BYTES = 6_291_456;
const MAX_RESPONSE_BYTES = MAX_REQUEST_BYTES + 100;

export interface Outcome {
  /** JSON: what the handler returned, or `errorType` and `errorMessage`. */
  readonly payload: string;
  readonly failed: boolean;
  /** Whether the environment can't be used again. */
  readonly ends: boolean;
}

export function outcomeOf(answer: Answer | 'timeout', requestId: string, timeoutMs: number): Outcome {
  if (answer === 'timeout')
    return failure(
      'Sandbox.Timedout',
      `RequestId: ${requestId} Error: Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`,
      true,
    );
  if (answer.kind === 'exit')
    return failure('Runtime.ExitError', `RequestId: ${requestId} Error: ${exitReason(answer)}`, true);
  if (Buffer.byteLength(answer.payload) > MAX_RESPONSE_BYTES) {
    return failure(
      'Function.ResponseSizeTooLarge',
      `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`,
      false,
    );
  }
  return { payload: answer.payload, failed: answer.kind !== 'response', ends: answer.kind === 'initError' };
}

function failure(errorType: string, errorMessage: string, ends: boolean): Outcome {
  return { payload: JSON.stringify({ errorType, errorMessage }), failed: true, ends };
}

function exitReason({ code, signal }: Extract<Answer, { kind: 'exit' }>): string {
  if (signal !== null) return `Runtime exited with error: signal: ${signal === 'SIGKILL' ? 'killed' : signal}`;
  return code === 0 ? 'Runtime exited without providing a reason' : `Runtime exited with error: exit status ${code}`;
}
