/** How much longer a training takes, told from what its steps and evaluations took so far. */

/** What a training is going to do, and how much work its parts are before any of them was timed. */
export interface TrainingPlan {
  readonly totalSteps: number;
  /** Steps that are done already: 0 but in a run that goes on. */
  readonly firstStep: number;
  readonly evaluateEvery: number;
  /** Steps of one kind, on texts of one length, take about as long. The steps of a kind follow each other. */
  kindAt(step: number): string;
  /** The work of a step, in the unit of `evaluationWork`; asked once a kind at most, while one was not timed. */
  stepWork(step: number, tokens: number | null): number;
  /** The work of an evaluation whose samples have that length; asked once at most, before one was timed. */
  evaluationWork(tokens: number | null): number;
}

/** A step that was done. */
export interface TimedStep {
  readonly step: number;
  /** The length of its texts; null of pictures. */
  readonly tokens: number | null;
  /** From the end of the step before to its own, without `compiledMs` and without what evaluations took. */
  readonly ms: number;
  /** Of these, how long its batch was waited for. */
  readonly waitedMs: number;
  /** How long its program was compiled: 0 where it was there. */
  readonly compiledMs: number;
}

/** An estimator that is fed as a training goes on. */
export interface Eta {
  step(step: TimedStep): void;
  /** An evaluation with the checkpoint after it, and what of it won't come again: compiling. */
  evaluated(ms: number, onceMs: number): void;
  /** Milliseconds until the end, `done` steps being done; null before the first was timed. */
  leftMs(done: number): number | null;
}

/** The mean of the last so many steps counts, so that a machine that has become slower is believed. */
const RECENT = 64;

/** Where more of a step than this was spent waiting for its batch, the data sets the pace, whatever the step is. */
const BOUND_BY_DATA = 0.1;

/** Estimates for a training that is about to begin. */
export function createEta(plan: TrainingPlan): Eta {
  const { totalSteps } = plan;
  const kinds = kindsOf(plan);
  /** By kind, then by the length of the texts. */
  const timed = new Map<string, Map<number | null, Program>>();
  const lengths = new Map<number | null, number>();
  const evaluations: number[] = [];
  const works = createWorks(plan, kinds);

  /** A step of a kind and a length: its own time, or else that of a kind that was timed before, by their work. */
  function stepMs(kind: string, tokens: number | null): number | null {
    const own = timed.get(kind)?.get(tokens);
    if (own?.isWarm) return own.mean().ms;
    const other = [...timed].find(([name, programs]) => name !== kind && programs.get(tokens)?.isWarm);
    if (other === undefined) return own?.mean().ms ?? null;
    const { ms, waitedMs } = other[1].get(tokens)!.mean();
    return waitedMs > BOUND_BY_DATA * ms ? ms : (ms * works.step(kind)) / works.step(other[0]);
  }

  /** A step of a kind, over the lengths in the shares that were seen. */
  function meanMs(kind: string): number {
    let [sum, total] = [0, 0];
    for (const [tokens, count] of lengths) {
      const ms = stepMs(kind, tokens);
      if (ms === null) continue;
      sum += count * ms;
      total += count;
    }
    return total === 0 ? 0 : sum / total;
  }

  /** What the programs of a kind take that are yet to be made: as much as those that were. */
  function startsMs(kind: string): number {
    const starts = [...timed.values()].flatMap((programs) =>
      [...programs.values()].map((program) => program.startMs()),
    );
    return (lengths.size - (timed.get(kind)?.size ?? 0)) * mean(starts);
  }

  function evaluationMs(kind: string): number {
    return evaluations.length > 0 ? mean(evaluations) : (meanMs(kind) * works.evaluation()) / works.step(kind);
  }

  return {
    step({ step, tokens, ...times }) {
      works.setLength(tokens);
      lengths.set(tokens, (lengths.get(tokens) ?? 0) + 1);
      const kind = plan.kindAt(step);
      const programs = timed.get(kind) ?? new Map<number | null, Program>();
      timed.set(kind, programs);
      const program = programs.get(tokens) ?? createProgram(times.compiledMs);
      programs.set(tokens, program);
      program.add(times);
    },
    evaluated(ms, onceMs) {
      evaluations.push(ms - onceMs);
    },
    leftMs(done) {
      if (timed.size === 0) return null;
      if (done >= totalSteps) return 0;
      let left = 0;
      for (const { kind, begin, end } of kinds) {
        const steps = end - Math.max(begin, done);
        if (steps > 0) left += steps * meanMs(kind) + startsMs(kind);
      }
      const evaluationsLeft = evaluationsFrom(plan) - evaluations.length;
      return evaluationsLeft > 0 ? left + evaluationsLeft * evaluationMs(plan.kindAt(done - 1)) : left;
    },
  };
}

/** How many evaluations a training has, after its first step here. */
function evaluationsFrom({ totalSteps, firstStep, evaluateEvery }: TrainingPlan): number {
  return Math.ceil(totalSteps / evaluateEvery) - Math.floor(firstStep / evaluateEvery);
}

/** Works, each asked for once; of the first length, as only ratios are made of them. */
function createWorks(plan: TrainingPlan, kinds: ReturnType<typeof kindsOf>) {
  let length: number | null | undefined;
  const steps = new Map<string, number>();
  let evaluation: number | null = null;
  return {
    setLength(tokens: number | null): void {
      if (length === undefined) length = tokens;
    },
    step(kind: string): number {
      const begin = kinds.find((one) => one.kind === kind)!.begin;
      const work = steps.get(kind) ?? plan.stepWork(begin, length ?? null);
      steps.set(kind, work);
      return work;
    },
    evaluation(): number {
      evaluation ??= plan.evaluationWork(length ?? null);
      return evaluation;
    },
  };
}

type Times = Pick<TimedStep, 'ms' | 'waitedMs'>;
type Program = ReturnType<typeof createProgram>;

/** The last steps of a kind and a length. The first takes memory and loads kernels: it counts until there are others. */
function createProgram(compiledMs: number) {
  const times: Times[] = [];
  let first: Times | null = null;
  const recent = (): Times => ({
    ms: mean(times.map(({ ms }) => ms)),
    waitedMs: mean(times.map(({ waitedMs }) => waitedMs)),
  });
  return {
    get isWarm() {
      return first !== null && times.length > 0;
    },
    add(time: Times): void {
      if (first === null) first = time;
      else times.push(time);
      if (times.length > RECENT) times.shift();
    },
    mean: (): Times => (times.length > 0 ? recent() : first!),
    /** Compiling, and what the first step took more than the others. */
    startMs: (): number => compiledMs + (times.length > 0 ? Math.max(0, first!.ms - recent().ms) : 0),
  };
}

/** From which step to which each kind goes. */
function kindsOf({ totalSteps, firstStep, kindAt }: TrainingPlan) {
  const kinds: { kind: string; begin: number; end: number }[] = [];
  for (let step = firstStep; step < totalSteps; step++) {
    const kind = kindAt(step);
    const last = kinds.at(-1);
    if (last?.kind === kind) last.end = step + 1;
    else kinds.push({ kind, begin: step, end: step + 1 });
  }
  return kinds;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
