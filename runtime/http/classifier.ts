/** What the HTTP app needs of a model, for pictures or for texts. The engine behind it is the host's choice. */
import type { JsonObject } from '../artifact/schema.ts';

export interface Classifier<Input> {
  readonly info: ModelInfo;
  /** How a request carries an input. */
  readonly input: InputReader<Input>;
  /**
   * The `topK` likeliest labels of an input, best first.
   * Throws PreprocessError where the input is none that can be used.
   */
  classify(input: Input, topK: number): Promise<Answer>;
}

/** An input as the body of a request, or in its JSON. */
export interface InputReader<Input> {
  /** Which content types the body may have, beside JSON; and those in words. */
  readonly takes: RegExp;
  readonly types: string;
  /** Of the body's bytes, or of the object that it holds. Throws Problem 400. */
  read(given: Uint8Array | JsonObject): Input;
}

export interface Answer {
  readonly predictions: readonly Prediction[];
  /** There where the end of a text was cut off. */
  readonly truncated?: true;
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
  /** Multiply-accumulates of one prediction; of a text, of the longest. */
  readonly macs: number;
  /** Of the artifact. */
  readonly bytes: number;
  readonly preprocessing: unknown;
}
