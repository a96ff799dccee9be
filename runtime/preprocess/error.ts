/** Why a picture, a text or a preprocessing specification was refused. */
export type PreprocessErrorCode =
  | 'bad-spec'
  | 'unsupported-format'
  | 'too-large'
  | 'wrong-size'
  | 'truncated'
  | 'corrupt'
  | 'missing-pair';

/** An input that can't be prepared for the network: the message says what was found and what was expected. */
export class PreprocessError extends Error {
  override readonly name = 'PreprocessError';
  readonly code: PreprocessErrorCode;

  constructor(code: PreprocessErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Told by its name: a host's decoders may be bundled apart from the app, with a class of their own. */
export function isPreprocessError(error: Error): error is PreprocessError {
  return error.name === 'PreprocessError';
}
