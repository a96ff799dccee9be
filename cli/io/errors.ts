/** A mistake that the user can mend: printed as one line and a hint, never as a stack trace. */
export class UserError extends Error {
  override readonly name = 'UserError';
  /** What to do about it: one sentence, or empty. */
  readonly hint: string;
  /** 1: the job failed. 2: the command line or the configuration is wrong. */
  readonly exitCode: 1 | 2;

  constructor(message: string, hint = '', exitCode: 1 | 2 = 1) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A wrong flag, configuration value or combination of them (exit code 2). */
export function usageError(message: string, hint = ''): UserError {
  return new UserError(message, hint, 2);
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The user stopped a job, which saved what it had (exit code 130). */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
