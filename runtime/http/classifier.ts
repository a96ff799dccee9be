/** What the HTTP app needs of a model. The engine behind it is the host's choice. */
export interface Classifier {
  info(): ModelInfo;
  /**
   * The `topK` likeliest labels of an encoded picture (JPEG, PNG, WebP), best first.
   * Throws PreprocessError where the bytes are no usable picture.
   */
  classify(bytes: Uint8Array, topK: number): Promise<readonly Prediction[]>;
}

export interface Prediction {
  readonly label: string;
  /** Probability, 0 to 1. */
  readonly score: number;
}

/** What `GET /v1/model` tells: a summary of the artifact's manifest. */
export interface ModelInfo {
  readonly name: string;
  readonly task: string;
  readonly labels: readonly string[];
  readonly parameters: number;
  /** Multiply-accumulates of one prediction. */
  readonly macs: number;
  /** Of the artifact. */
  readonly bytes: number;
  readonly preprocessing: unknown;
}
