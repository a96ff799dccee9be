/** Teacher, student and quantized model side by side, of one subject or of several that have stages in common. */
import { basename, resolve } from 'node:path';
import type { Cost, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { PROBLEMS, type ProblemType, type Score } from '../../runtime/artifact/problem-type.ts';
import { configured, pathAmong, type Subject, weightBytes } from './subject.ts';

/** What is known of a model at one stage. */
export interface Stage {
  /** Where it lies, or lay. */
  readonly path: string;
  readonly name: string;
  /** `teacher`, `PC-LoRA, rank 16`, `int8` ... */
  readonly what: string;
  readonly problemType: ProblemType;
  readonly score: Partial<Score> | null;
  /** The step after which that was the score, of a run that has not ended. */
  readonly scoredAt: number | null;
  readonly cost: Cost['whole'] | null;
  readonly bytes: number | null;
  /** The place of its teacher among the stages; null of a teacher. */
  readonly teacher: number | null;
}

/** Scores that were measured for this report, by path. They go before what the runs recorded. */
export type Measured = ReadonlyMap<string, Partial<Score>>;

/** The stages of all subjects, each once, a teacher before its students. */
export async function stagesOf(subjects: readonly Subject[], measured: Measured = new Map()): Promise<Stage[]> {
  const stages: Stage[] = [];
  const places = new Map<string, number>();
  const put = (stage: Omit<Stage, 'teacher'>, teacher: number | null): number => {
    const key = resolve(stage.path);
    const place = places.get(key) ?? stages.length;
    places.set(key, place);
    const known = stages[place];
    stages[place] = {
      ...stage,
      score: measured.get(stage.path) ?? known?.score ?? stage.score,
      scoredAt: known?.scoredAt ?? stage.scoredAt,
      bytes: known?.bytes ?? stage.bytes,
      cost: known?.cost ?? stage.cost,
      teacher: known?.teacher ?? teacher,
    };
    return place;
  };
  for (const subject of subjects) {
    const before = await teacherOf(subject, subjects);
    const teacher = before === null ? null : put(before, null);
    const whole = await unquantizedOf(subject, subjects);
    const unquantized = whole === null ? null : put(whole, teacher);
    put(own(subject), teacher ?? unquantized);
  }
  return stages;
}

/** What `slim train` began with; null where that is not what made it. */
async function teacherOf(subject: Subject, given: readonly Subject[]): Promise<Omit<Stage, 'teacher'> | null> {
  const recorded = configured(subject, 'model');
  if (recorded === null || !subject.costs?.teacher) return null;
  const path = pathAmong(given, recorded);
  return {
    path,
    name: basename(resolve(path)),
    what: 'teacher',
    problemType: subject.problemType,
    score: scoreAt(subject, 'teacher'),
    scoredAt: null,
    cost: subject.costs.teacher.whole,
    bytes: await weightBytes(path),
  };
}

/** What `slim quantize` began with; null where nothing was quantized, or it is not known from what. */
async function unquantizedOf(subject: Subject, given: readonly Subject[]): Promise<Omit<Stage, 'teacher'> | null> {
  const recorded = configured(subject, 'out');
  if (subject.quantized === null || recorded === null) return null;
  const path = pathAmong(given, recorded);
  const scored = subject.accuracy.filter(({ stage }) => stage !== subject.quantized);
  return {
    path,
    name: basename(resolve(path)),
    what: methodOf(subject),
    problemType: subject.problemType,
    score: scored.at(-1) ?? null,
    scoredAt: null,
    cost: subject.costs?.model.whole ?? null,
    bytes: await weightBytes(path),
  };
}

function own(subject: Subject): Omit<Stage, 'teacher'> {
  const { path, name, costs, bytes, quantized, kind, problemType } = subject;
  const logged = loggedScore(subject);
  const what = quantized ?? methodOf(subject);
  return {
    path,
    name,
    what: kind === 'artifact' ? `${what}, packed` : what,
    problemType,
    score: logged?.score ?? (quantized === null ? (subject.accuracy.at(-1) ?? null) : scoreAt(subject, quantized)),
    scoredAt: logged?.step ?? null,
    cost: costs?.model.whole ?? null,
    bytes,
  };
}

/** The last evaluation of a run that has not ended, which has recorded no score; null of others. */
function loggedScore({ record, log, problemType }: Subject): { step: number; score: Partial<Score> } | null {
  if (record === null || record.kind === 'quantize' || record.status === 'finished') return null;
  const { metric } = PROBLEMS[problemType];
  const last = log?.curves.get(metric)?.points.at(-1);
  return last === undefined ? null : { step: last[0], score: { [metric]: last[1] } };
}

/** The last score of a stage; null where it has none. */
function scoreAt({ accuracy }: Subject, stage: string): StageAccuracy | null {
  return accuracy.findLast((one) => one.stage === stage) ?? null;
}

const METHODS: Readonly<Record<string, string>> = { 'pc-lora': 'PC-LoRA', svd: 'SVD', theseus: 'Theseus' };

/** `PC-LoRA, rank 16` · `fine-tuned` */
export function methodOf({ compression, kind, configuration }: Subject): string {
  if (compression !== null) {
    const { method, rank, ranks } = compression;
    const isUniform = Object.values(ranks).every((one) => one === rank);
    return `${METHODS[method] ?? method}, rank ${isUniform ? rank : `up to ${rank}`}`;
  }
  if (configuration.method === 'lora') return 'LoRA, merged';
  return kind === 'checkpoint' ? 'checkpoint' : 'dense';
}
