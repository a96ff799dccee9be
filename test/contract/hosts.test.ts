/**
 * One artifact, one set of inputs, every host: the same bits everywhere, and those of the scalar kernels but for
 * rounding.
 */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { pack } from '../../cli/compress/pack.ts';
import { quantizeTensors, type Weights } from '../../cli/compress/quantize.ts';
import { type StoredTensors, storedTensors } from '../../cli/compress/stored-tensors.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngineWith, type Inputs } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { smallBert, smallText, TOKENS, textDescription } from '../compress/small-bert.ts';
import { description, smallVit } from '../compress/small-vit.ts';
import { expectClose } from '../support/compare.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { buildPrograms } from './hosts/build-programs.ts';
import { chromium } from './hosts/chromium.ts';
import { bun, deno, node24, thisNode } from './hosts/javascript-programs.ts';
import { type Build, bitsOf, floatsOf, type HostAnswer, type HostCase, type InputBits } from './hosts/program.ts';
import { workerd } from './hosts/workerd.ts';

const HOSTS = [thisNode, node24, bun, deno, workerd, chromium];

interface ContractCase {
  readonly name: string;
  readonly artifact: Uint8Array;
  readonly inputs: readonly Inputs[];
}

function storedIn(precision: 'f32' | Weights, stored: StoredTensors, logits: Node): StoredTensors {
  return precision === 'f32' ? stored : quantizeTensors(stored, logits, precision);
}

async function smallVitCase(kind: 'dense' | 'low-rank', precision: 'f32' | Weights): Promise<ContractCase> {
  const { logits, values, pixels } = smallVit(kind);
  const stored = storedTensors(logits, values);
  const artifact = await pack(logits, storedIn(precision, stored, logits), description);
  return {
    name: `${kind} ViT in ${precision}`,
    artifact,
    inputs: [pixels, pixels.map((v) => 3 - v), pixels.map(() => 0), pixels.map((v) => 1e4 * v)].map((sample) => ({
      pixels: sample,
    })),
  };
}

async function smallBertCase(precision: 'f32' | Weights): Promise<ContractCase> {
  const { logits, values } = smallBert();
  const { logits: absorbed, derive } = absorb(logits);
  const stored = derive(storedTensors(logits, values));
  const artifact = await pack(absorbed, storedIn(precision, stored, absorbed), textDescription);
  return {
    name: `absorbed BERT in ${precision}`,
    artifact,
    inputs: [1, 3, 8, TOKENS].map((tokens) => ({ ...smallText(tokens) })),
  };
}

const cases = await Promise.all([
  smallVitCase('low-rank', 'int8'),
  smallVitCase('low-rank', 'int4'),
  smallVitCase('low-rank', 'f32'),
  smallVitCase('dense', 'int8'),
  smallVitCase('dense', 'f32'),
  smallBertCase('int8'),
  smallBertCase('int4'),
  smallBertCase('f32'),
]);
const hostCases: HostCase[] = cases.map(({ name, artifact, inputs }) => ({
  name,
  artifact: Buffer.from(artifact).toString('base64'),
  inputs: inputs.map(bitsOfSample),
}));

function bitsOfSample(inputs: Inputs): InputBits {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, values]) => [
      name,
      values instanceof Int32Array
        ? { dtype: 'I32' as const, bits: [...values] }
        : { dtype: 'F32' as const, bits: bitsOf(values) },
    ]),
  );
}

const folder = temporaryFolder();
const builds = await buildPrograms(folder);
const answers = new Map<string, HostAnswer>();

describe.sequential('every host', () => {
  for (const { name, absent, builds: supported, run } of HOSTS) {
    it.skipIf(absent !== null)(
      `${name}${absent === null ? '' : ` (skipped: ${absent})`} runs what it supports, to the same bits`,
      async () => {
        const answer = await run(folder, { cases: hostCases, builds });
        answers.set(name, answer);
        expect(Object.keys(answer)).toEqual(builds.filter((build) => supported.includes(build)));
        // Both builds compute the same bits.
        for (const build of Object.keys(answer) as Build[]) expect(answer[build]).toEqual(firstAnswer('simd128'));
      },
    );
  }
});

describe.each(builds)('the %s build', (build) => {
  // In int8 a rounding that falls the other way moves all that follows: ./steps.test.ts compares each call by itself.
  it.for(cases.filter(({ name }) => name.endsWith('f32')))(
    'gives the logits of the scalar kernels for a $name',
    async ({ name, artifact, inputs }, { skip }) => {
      const answered = firstAnswer(build)?.[name].map(floatsOf) ?? skip('no host that runs this build is installed');
      const reference = createEngineWith(await readArtifact(artifact), referenceKernels);
      inputs.forEach((input, i) => expectClose(answered[i], reference.infer(input), 1e-5, `input ${i}`));
    },
  );
});

/** What the first host that ran a build answered. */
function firstAnswer(build: Build): HostAnswer[Build] {
  return [...answers.values()].find((answer) => answer[build] !== undefined)?.[build];
}
