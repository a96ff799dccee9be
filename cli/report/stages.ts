/** Teacher, student and quantized model side by side, of one subject or of several that have stages in common. */
import { basename, resolve } from 'node:path';
import type { Cost, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import type { Score } from '../../runtime/artifact/problem-type.ts';
import { configured, type Subject, weightBytes } from './subject.ts';

/** What is known of a model at one stage. */
export interface Stage {
  /** Where it lies, or lay. */
  readonly path: string;
  readonly name: string;
  /** `teacher`, `PC-LoRA, rank 16`, `int8` ... */
  readonly what: string;
  readonly score: Score | null;
  readonly cost: Cost['whole'] | null;
  readonly bytes: number | null;
  /** The place of its teacher among the stages; null of a teacher. */
  readonly teacher: number | null;
}

/** Scores that were measured for this report, by path. They go before what the runs recorded. */
export type Measured = ReadonlyMap<string, Score>;

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
      bytes: known?.bytes ?? stage.bytes,
      cost: known?.cost ?? stage.cost,
      teacher: known?.teacher ?? teacher,
    };
    return place;
  };
  for (const subject of subjects) {
    const before = await teacherOf(subject);
    const teacher = before === null ? null : put(before, null);
    const whole = await unquantizedOf(subject);
    const unquantized = whole === null ? null : put(whole, teacher);
    put(own(subject), teacher ?? unquantized);
  }
  return stages;
}

/** What `slim train` began with; null where that is not what made it. */
async function teacherOf(subject: Subject): Promise<Omit<Stage, 'teacher'> | null> {
  const path = configured(subject, 'model');
  if (path === null || !subject.costs?.teacher) return null;
  return {
    path,
    name: basename(resolve(path)),
    what: 'teacher',
    score: scoreAt(subject, 'teacher'),
    cost: subject.costs.teacher.whole,
    bytes: await weightBytes(path),
  };
}

/** What `slim quantize` began with; null where nothing was quantized, or it is not known from what. */
async function unquantizedOf(subject: Subject): Promise<Omit<Stage, 'teacher'> | null> {
  const path = configured(subject, 'out');
  if (subject.quantized === null || path === null) return null;
  const scored = subject.accuracy.filter(({ stage }) => stage !== subject.quantized);
  return {
    path,
    name: basename(resolve(path)),
    what: methodOf(subject),
    score: scored.at(-1) ?? null,
    cost: subject.costs?.model.whole ?? null,
    bytes: await weightBytes(path),
  };
}

function own(subject: Subject): Omit<Stage, 'teacher'> {
  const { path, name, costs, bytes, quantized, kind } = subject;
  const what = quantized ?? methodOf(subject);
  return {
    path,
    name,
    what: kind === 'artifact' ? `${what}, packed` : what,
    score: quantized === null ? (subject.accuracy.at(-1) ?? null) : scoreAt(subject, quantized),
    cost: costs?.model.whole ?? null,
    bytes,
  };
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
