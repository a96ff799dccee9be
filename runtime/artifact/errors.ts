/** What is wrong with an artifact, for programs; the message is for people. */
export type ArtifactErrorCode =
  | 'truncated' // the file ends before what its header promises
  | 'header' // the header's length, encoding or JSON
  | 'name' // a tensor's name: doubled, reserved or unknown
  | 'dtype'
  | 'shape'
  | 'offsets' // tensor data outside the file, overlapping, or with holes between
  | 'value' // tensor data that no kernel may see, such as a scale that is not finite
  | 'version' // made for another version of the format
  | 'manifest'
  | 'digest' // the tensor bytes are not those that were packed
  | 'plan' // a step whose operands lie outside the arena or do not fit its tensors
  | 'memory' // needs more than the limit allows
  | 'work'; // would compute for longer than the limit allows

/** A file that is not a valid artifact. Its message says what, what was expected, and what was found. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';
  readonly code: ArtifactErrorCode;

  constructor(code: ArtifactErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A value of unknown type as an error message shows it: short, and never the whole of a hostile string. */
export function shown(value: unknown): string {
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  } catch {
    return 'a list'; // lists within lists, beyond what a stack holds
  }
}

/** How many there may be, as an error message says it. */
export function span(least: number, most: number): string {
  return least === most ? `${most}` : `${least} to ${most}`;
}
