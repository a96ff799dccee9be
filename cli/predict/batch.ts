/**
 * Batch prediction: rows are read as fast as threads classify them, and written in their order. What is in memory does
 * not depend on how many there are.
 */
import { createHash, type Hash } from 'node:crypto';
import type { NodeClassifier } from '../../runtime/hosts/node-classifier.ts';
import { isPreprocessError } from '../../runtime/preprocess/error.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { type InFlight, inFlight } from './in-flight.ts';
import type { Outcome } from './outcome.ts';
import type { Progressed, RowOutput } from './output.ts';
import type { Cells, InputRow, RowSource } from './row.ts';
import { type RowRange, rowsWithin } from './shard.ts';

/** What is classified, how, and where it goes. */
export interface Batch {
  readonly source: RowSource;
  /** All rows unless given. */
  readonly range?: RowRange;
  readonly classifier: Pick<NodeClassifier, 'classify'>;
  readonly topK: number;
  readonly most: InFlight;
  /** A row and what came of it as a line of the output. */
  lineOf(cells: Cells, outcome: Outcome): string;
  readonly output: RowOutput;
  /** Told of each row that is written. */
  onRow(row: InputRow, progressed: Omit<Progressed, 'digest'>): void;
  readonly signal: AbortSignal;
}

/** Texts differ a hundredfold in length: with so many rows a thread, none waits behind a long one for nothing. */
const ROWS_PER_WORKER = 32;
/** Pictures are read before a thread is free for them. */
const MOST_BYTES = 64 * 1024 ** 2;

/** How much is under way for so many threads. */
export function mostInFlight(workers: number): InFlight {
  return { rows: ROWS_PER_WORKER * Math.max(1, workers), bytes: MOST_BYTES };
}

/**
 * Classifies all rows that the output does not hold yet, until the signal is aborted. A row that can't be classified has
 * its error; a source that can't be read on is thrown, once what was before is written. Returns how far it came.
 */
export async function runBatch(batch: Batch): Promise<Progressed> {
  const { output, lineOf, onRow, signal } = batch;
  const hash = createHash('sha256');
  let { rows, errors, truncated } = output.begun;
  const progressed = (): Progressed => ({ rows, errors, truncated, digest: hash.copy().digest('hex') });
  const failures = { inTurn: 0 };
  const rest = rowsAfter(batch, output.begun, hash);
  // While rows are passed over, the digest is of fewer than were written.
  let state = (): Progressed => output.begun;
  try {
    for await (const { row, outcome } of inFlight(
      rest,
      batch.most,
      (row) => classified(row, batch, failures),
      signal,
    )) {
      // Before the row is counted: what has no line is not written.
      const line = lineOf(row.cells, outcome);
      state = progressed;
      addTo(hash, row);
      rows++;
      if ('problem' in outcome) errors++;
      else if (outcome.answer.truncated) truncated++;
      await output.append(line, progressed);
      onRow(row, { rows, errors, truncated });
    }
  } catch (error) {
    await output.close(state(), false).catch(() => undefined); // the first failure is what to tell of
    throw error;
  }
  await output.close(state(), !signal.aborted);
  return state();
}

/** UserError unless the rows are those that were answered, and no others: of a run that is done. */
export async function expectSameRows(
  asked: Pick<Batch, 'source' | 'range' | 'signal'>,
  done: Progressed,
): Promise<void> {
  for await (const { place } of rowsAfter(asked, done, createHash('sha256')))
    throw changed(`after the ${done.rows} rows that were answered comes ${place}`);
  throwIfInterrupted(asked.signal);
}

/** The rows that are not answered yet. UserError where those that are have changed. */
async function* rowsAfter(
  { source, range = { begin: 0, end: Infinity }, signal }: Pick<Batch, 'source' | 'range' | 'signal'>,
  begun: Progressed,
  hash: Hash,
): AsyncGenerator<InputRow, void, void> {
  let passed = 0;
  const expectSame = (): void => {
    if (passed < begun.rows) throw changed(`it has ${passed} rows, and ${begun.rows} were answered`);
    if (begun.rows > 0 && hash.copy().digest('hex') !== begun.digest)
      throw changed(`its first ${begun.rows} rows are not those that were answered`);
  };
  for await (const row of rowsWithin(source, range)) {
    if (signal.aborted) return;
    if (passed < begun.rows) {
      addTo(hash, row);
      if (++passed === begun.rows) expectSame();
    } else {
      yield row;
    }
  }
  if (passed < begun.rows) expectSame();
}

function changed(how: string): UserError {
  return new UserError(`the input has changed: ${how}`, 'Go on with the same input, or begin anew: --overwrite.');
}

function addTo(hash: Hash, { identity }: InputRow): void {
  hash.update(`${identity.length}:${identity}`);
}

async function classified(
  row: InputRow,
  { classifier, topK }: Batch,
  failures: Failures,
): Promise<{ readonly row: InputRow; readonly outcome: Outcome }> {
  const loaded = await row.load();
  if ('problem' in loaded) return { row, outcome: problemOf(row, loaded.problem) };
  try {
    // Without the signal, which would keep a listener for each row that there ever was.
    const answer = await classifier.classify(loaded.input, topK);
    failures.inTurn = 0;
    return { row, outcome: { answer } };
  } catch (error) {
    if (isPreprocessError(error as Error)) failures.inTurn = 0;
    else if (++failures.inTurn >= MOST_FAILURES)
      throw new UserError(`${row.place}: ${messageOf(error)}`, `So did the ${MOST_FAILURES} rows before it.`);
    return { row, outcome: problemOf(row, messageOf(error)) };
  }
}

/** A crash, or logits that are not finite, may be one row's fault; so many in turn are not. */
const MOST_FAILURES = 64;

interface Failures {
  inTurn: number;
}

function problemOf({ place }: InputRow, problem: string): Outcome {
  return { problem: `${place}: ${problem}` };
}
