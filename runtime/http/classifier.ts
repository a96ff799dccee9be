/** What the HTTP app needs of a model, for pictures or for texts. The engine behind it is the host's choice. */
import type { StageAccuracy } from '../artifact/manifest.ts';
import type { ProblemType } from '../artifact/problem-type.ts';

/** A model that answers, and what is known of it. */
export interface Classifier<Input> {
  readonly info: ModelInfo;
  /** How a request carries an input. */
  readonly input: InputReader<Input>;
  /**
   * The `topK` likeliest labels of an input, best first; of regression all numbers, in the labels' order.
   * Rejects with PreprocessError where the input is none that can be used, and with the signal's reason where that
   * stopped it in time.
   */
  classify(input: Input, topK: number, signal?: AbortSignal): Promise<Answer>;
  /**
   * How many inputs of a request it is given at a time; 1 unless told, so that one decoded picture lies in memory, not
   * all of a list.
   */
  readonly parallel?: number;
}

/** An input as the body of a request, as a part of a form or in its JSON. */
export interface InputReader<Input> {
  /** Which content types the body may have, beside JSON and forms; and those in words. */
  readonly takes: RegExp;
  readonly types: string;
  /** Throws Problem 400. */
  ofBytes(bytes: Uint8Array): Input;
  /** Of a value at `where` in JSON. Throws Problem 400. */
  ofJson(where: string, json: unknown): Input;
}

/** What is said of one input. */
export interface Answer {
  readonly predictions: readonly Prediction[];
  /** There where the end of a text was cut off. */
  readonly truncated?: true;
}

/** A label and what the model says of it. */
export interface Prediction {
  readonly label: string;
  /**
   * How likely it is, 0 to 1: of one label among several, all scores add up to 1; of labels that each may be there or
   * not, each is for itself. Of regression it is the number.
   */
  readonly score: number;
}

/** What `GET /v1/model` tells: a summary of the artifact's manifest. */
export interface ModelInfo extends Size {
  readonly name: string;
  readonly task: 'image-classification' | 'text-classification';
  /** e.g. `vit`. */
  readonly architecture: string;
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
  readonly precision: 'int4' | 'int8' | 'f32';
  /** The largest rank of a layer; null for a model that was not compressed. */
  readonly rank: number | null;
  /** What it was compressed from. */
  readonly teacher: Size | null;
  /** Before and after each stage. */
  readonly accuracy: readonly StageAccuracy[];
  /** Of the artifact. */
  readonly bytes: number;
  /** Of its tensors: `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly preprocessing: unknown;
}

interface Size {
  readonly parameters: number;
  /** Multiply-accumulates of one prediction; of a text, of the longest. */
  readonly macs: number;
}
