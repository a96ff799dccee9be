/**
 * Runs recipes of `slim train` beside each other and keeps one row of JSON for each, so that every figure can be made
 * again:
 *
 *   node test/benchmarks/recipe/run.mjs PLAN.json ROWS.jsonl [NAME ...]
 *
 * PLAN.json names tasks (a model, its data, the file that is the test), recipes (flags) and seeds; each task is trained
 * by each recipe with each seed, or those whose task or recipe is among the NAMEs. Rows that are there already are not
 * made again, so it may be stopped and go on. `shared/...` is a path beside the project, or where SLIM_SHARED points.
 *
 * Settings are chosen by `dev`, what training itself judges by; `test` is told once. A task's `devFromTrain` says how many
 * of CIFAR-10's training pictures, the last ones, are its dev part. `wallSeconds` is the whole
 * command's, on a machine whose `load` is told, too.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../../../', import.meta.url));
const shared = process.env.SLIM_SHARED ?? join(project, '..', 'shared');
const [planPath, rowsPath, ...only] = process.argv.slice(2);
if (rowsPath === undefined) throw new Error('usage: run.mjs PLAN.json ROWS.jsonl [NAME ...]');

/** @type {{tasks: Record<string, {model: string, data: string, test: string, devFromTrain?: number, flags: string[]}>,
 *   recipes: Record<string, string[]>, seeds: number[]}} */
const plan = JSON.parse(readFileSync(planPath, 'utf8'));
const known = existsSync(rowsPath)
  ? readFileSync(rowsPath, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : [];
const isKnown = (task, recipe, seed) =>
  known.some((row) => row.task === task && row.recipe === recipe && row.seed === seed);
const located = (path) => path.replace(/^shared\//, `${shared}/`);
const slim = (...args) =>
  JSON.parse(
    execFileSync(process.execPath, [join(project, 'cli/bin.cjs'), ...args, '--json'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
const git = (...args) => execFileSync('git', ['-C', project, ...args], { encoding: 'utf8' }).trim();

/** A CIFAR-10 record: its label and 32 × 32 pixels. */
const RECORD_BYTES = 3073;

/** A folder with CIFAR-10's training pictures alone, of which the last `count` judge. */
function withDevPart(folder, count) {
  const made = mkdtempSync(join(tmpdir(), 'slim-dev-'));
  const train = readFileSync(join(folder, 'train.bin'));
  const cut = train.length - count * RECORD_BYTES;
  writeFileSync(join(made, 'train.bin'), train.subarray(0, cut));
  writeFileSync(join(made, 'test.bin'), train.subarray(cut));
  copyFileSync(join(folder, 'batches.meta.txt'), join(made, 'batches.meta.txt'));
  return made;
}

for (const seed of plan.seeds)
  for (const [task, { model, data, test, devFromTrain, flags }] of Object.entries(plan.tasks))
    for (const [recipe, own] of Object.entries(plan.recipes)) {
      if (only.length > 0 && !only.includes(task) && !only.includes(recipe)) continue;
      if (isKnown(task, recipe, seed)) continue;
      const dev = devFromTrain === undefined ? null : withDevPart(located(data), devFromTrain);
      const run = join(mkdtempSync(join(tmpdir(), 'slim-recipe-')), 'run');
      const command = ['train', '--model', model, '--data', data, ...flags, ...own, '--seed', `${seed}`];
      const placed = command.map((word) => (dev !== null && word === data ? dev : located(word)));
      const [load] = loadavg();
      const began = performance.now();
      const { accuracy, teacherAccuracy, steps } = slim(...placed, '--out', run);
      const wallSeconds = Math.round((performance.now() - began) / 1000);
      const told = slim('evaluate', run, '--data', located(test));
      const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const row = {
        task,
        recipe,
        seed,
        dev: accuracy,
        devFromTrain,
        test: told.accuracy,
        teacherDev: teacherAccuracy,
        steps,
        wallSeconds,
        load,
        // Accuracy of the adapters alone, step by step, and λ there.
        curve: lines
          .filter((line) => line.accuracy !== undefined)
          .map((line) => [line.step, line.lambda, line.accuracy]),
        command: `slim ${command.join(' ')}`,
        commit:
          git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'cli') === '' ? '' : ' and changes'),
        machine: `${cpus().length} × ${cpus()[0].model}`,
      };
      appendFileSync(rowsPath, `${JSON.stringify(row)}\n`);
      for (const folder of [join(run, '..'), dev]) if (folder !== null) rmSync(folder, { recursive: true });
      console.log(`${task} ${recipe} seed ${seed}: dev ${accuracy}, test ${told.accuracy}, ${wallSeconds} s`);
    }
