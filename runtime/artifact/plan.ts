/**
 * The plan: what the runtime executes, a flat list of kernel calls over one linear memory. A call's operands are
 * tensors of the artifact, by name, and buffers in the arena, by byte offset; where buffers lie was settled when
 * packing (cli/compress/plan). steps.ts is the table of calls, plan-read.ts makes a plan of JSON, plan-check.ts proves
 * it safe, plan-memory.ts says what memory it needs.
 */
import type { Dtype } from './safetensors.ts';
import type { ACTIVATIONS, STEPS, StepOp } from './steps.ts';

/** What follows a linear layer in the same call, by its name in the plan. */
export type Activation = (typeof ACTIVATIONS)[number];

/** A number of rows, or as many as the sequence has tokens. */
export type Rows = number | 'tokens';

type FieldValue<F, Place> = F extends { readonly optional: true }
  ? FieldValue<Omit<F, 'optional'>, Place> | null
  : F extends { readonly kind: infer Kind }
    ? Kind extends 'buffer'
      ? Place
      : Kind extends 'tensor'
        ? string
        : Kind extends 'rows'
          ? Rows
          : Kind extends 'activation'
            ? Activation
            : number
    : never;

type Fields<Op extends StepOp> = (typeof STEPS)[Op]['fields'];

/**
 * One kernel call, e.g. `Step<'linear'>`. Its buffers are byte offsets; while packing they are still without a place.
 */
export type Step<Op extends StepOp = StepOp, Place = number> = {
  [O in Op]: { readonly op: O } & {
    readonly [F in keyof Fields<O> as F extends 'scratch' ? never : F]: FieldValue<Fields<O>[F], Place>;
  };
}[Op];

/** A buffer that the host reads. */
export interface PlanBuffer {
  readonly offset: number;
  readonly shape: readonly number[];
}

/** A buffer that the host writes. */
export interface PlanInput extends PlanBuffer {
  readonly name: string;
  /** I32 inputs are a sequence, which may be shorter than its shape says where the plan has `tokens`. */
  readonly dtype: Extract<Dtype, 'F32' | 'I32'>;
}

/** What the runtime executes: its steps run in their order, once for each answer. */
export interface Plan {
  readonly arenaBytes: number;
  /** The longest sequence of a model whose cost follows its input's length; null where all sizes are fixed. */
  readonly tokens: number | null;
  readonly inputs: readonly PlanInput[];
  /** f32 */
  readonly output: PlanBuffer;
  readonly steps: readonly Step[];
}

/** What an artifact may ask for, so that a hostile one is refused before it costs anything. */
export interface Limits {
  /** All of the engine's memory. */
  readonly memoryBytes: number;
  /** Of one answer, such as multiply-accumulates: a plan that fits the memory may still compute for hours. */
  readonly operations: number;
}

/** A gigabyte, and a minute or so. A ViT-B takes 2e10 operations. */
export const DEFAULT_LIMITS: Limits = { memoryBytes: 1024 * 1024 * 1024, operations: 1e12 };
