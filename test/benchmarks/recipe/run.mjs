/**
 * Runs recipes of `slim train` beside each other and keeps one row of JSON for each, so that every figure can be made
 * again:
 *
 *   node test/benchmarks/recipe/run.mjs PLAN.json ROWS.jsonl [--jobs N] [--minutes N] [NAME ...]
 *
 * PLAN.json names tasks (a model, its data, the file that is the test), recipes (flags) and seeds; each task is trained
 * by each recipe that is for it with each seed, or those whose task or recipe is among the NAMEs. Rows that are there
 * already are not made again, so it may be stopped and go on. `shared/...` is a path beside the project, or where
 * SLIM_SHARED points.
 *
 * Settings are chosen by `dev`, what training itself judges by; `test` is told once. A task's `devFromTrain` says how
 * many of CIFAR-10's training pictures, the last ones, are its dev part. `wallSeconds` is the whole command's, on a
 * machine whose `load` is told, too; with --jobs more than 1, runs share the machine and seconds say little. After
 * --minutes none begins any more. Where Slim lies elsewhere, SLIM_BIN is the file that starts it, and SLIM_COMMIT what it
 * was made of.
 */
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** A CIFAR-10 record: its label and 32 × 32 pixels. */
const RECORD_BYTES = 3073;

const project = fileURLToPath(new URL('../../../', import.meta.url));
const shared = process.env.SLIM_SHARED ?? join(project, '..', 'shared');
const bin = process.env.SLIM_BIN ?? join(project, 'cli/bin.cjs');
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '1' }, minutes: { type: 'string', default: 'Infinity' } },
});
const [planPath, rowsPath, ...only] = positionals;
if (rowsPath === undefined) throw new Error('usage: run.mjs PLAN.json ROWS.jsonl [--jobs N] [--minutes N] [NAME ...]');

/**
 * @typedef {{model: string, data: string, test: string, devFromTrain?: number, flags: string[]}} Task
 * @typedef {{flags: string[], tasks?: string[], quantize?: string[]}} Recipe `tasks`: those that it is for; all unless
 *   given; `quantize`: the --weights that its run is quantized to and judged in, on test
 * @type {{tasks: Record<string, Task>, recipes: Record<string, Recipe>, seeds: number[]}}
 */
const plan = JSON.parse(readFileSync(planPath, 'utf8'));
const known = new Set(rowsAt(rowsPath).map(keyOf));
const commit = process.env.SLIM_COMMIT ?? commitOfProject();
const machine = [...gpus(), `${cpus().length} × ${cpus()[0].model}`].join(', ');
const latest = Date.now() + Number(flags.minutes) * 60_000;
const parts = new Map();

const waiting = plan.seeds
  .flatMap((seed) =>
    Object.keys(plan.tasks).flatMap((task) => Object.keys(plan.recipes).map((recipe) => ({ task, recipe, seed }))),
  )
  .filter(({ task, recipe }) => plan.recipes[recipe].tasks?.includes(task) ?? true)
  .filter(({ task, recipe }) => only.length === 0 || only.includes(task) || only.includes(recipe))
  .filter((run) => !known.has(keyOf(run)));

await Promise.all(Array.from({ length: Number(flags.jobs) }, worker));
for (const folder of parts.values()) rmSync(folder, { recursive: true });

/** Takes what waits, one run after another. One that fails is told of and leaves no row. */
async function worker() {
  for (let run = waiting.shift(); run !== undefined && Date.now() < latest; run = waiting.shift()) {
    const { task, recipe, seed } = run;
    try {
      const row = await rowOf(run);
      appendFileSync(rowsPath, `${JSON.stringify(row)}\n`);
      console.log(`${task} ${recipe} seed ${seed}: dev ${row.dev}, test ${row.test}, ${row.wallSeconds} s`);
    } catch (error) {
      console.log(`${task} ${recipe} seed ${seed}: ${error.message}`);
    }
  }
}

async function rowOf({ task, recipe, seed }) {
  const { model, data, test, devFromTrain, flags: common } = plan.tasks[task];
  const dev = devFromTrain === undefined ? null : devPart(located(data), devFromTrain);
  const folder = mkdtempSync(join(tmpdir(), 'slim-recipe-'));
  const run = join(folder, 'run');
  const command = ['train', '--model', model, '--data', data, ...common, ...plan.recipes[recipe].flags];
  command.push('--seed', `${seed}`);
  const [load] = loadavg();
  const began = performance.now();
  try {
    const placed = command.map((word) => (dev !== null && word === data ? dev : located(word)));
    const { accuracy, teacherAccuracy, steps } = await slim([...placed, '--out', run]);
    const wallSeconds = Math.round((performance.now() - began) / 1000);
    const judged = async (model) =>
      (await slim(['evaluate', model, '--data', located(test), ...deviceFlags(common)])).accuracy;
    const quantized = {};
    for (const weights of plan.recipes[recipe].quantize ?? []) {
      await slim(['quantize', run, '--weights', weights, '--out', join(folder, weights)]);
      quantized[weights] = await judged(join(folder, weights));
    }
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
    return {
      task,
      recipe,
      seed,
      dev: accuracy,
      devFromTrain,
      test: await judged(run),
      ...quantized,
      teacherDev: teacherAccuracy,
      steps,
      wallSeconds,
      msPerStep: { fading: stepTime(lines, (lambda) => lambda > 0), alone: stepTime(lines, (lambda) => lambda === 0) },
      load,
      jobs: Number(flags.jobs),
      // Accuracy of the adapters alone, step by step, and λ there.
      curve: lines.filter((line) => line.accuracy !== undefined).map((line) => [line.step, line.lambda, line.accuracy]),
      command: `slim ${command.join(' ')}`,
      commit,
      machine,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Median milliseconds of the steps whose λ is meant; undefined where there are none. */
function stepTime(lines, meant) {
  const times = lines
    .filter((line) => line.msPerStep !== undefined && meant(line.lambda))
    .map((line) => line.msPerStep);
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function located(path) {
  return path.replace(/^shared\//, `${shared}/`);
}

/** Of a task's flags those that say where to compute. */
function deviceFlags(all) {
  return ['--device', '--engine', '--precision'].flatMap((name) => {
    const at = all.indexOf(name);
    return at < 0 ? [] : all.slice(at, at + 2);
  });
}

/** What a command prints as JSON. Rejects with the last lines of its errors. */
function slim(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-600)));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(stdout)) : reject(new Error(stderr))));
  });
}

/** A folder with CIFAR-10's training pictures alone, of which the last `count` judge. */
function devPart(folder, count) {
  const known = parts.get(`${folder} ${count}`);
  if (known !== undefined) return known;
  const made = mkdtempSync(join(tmpdir(), 'slim-dev-'));
  parts.set(`${folder} ${count}`, made);
  const train = readFileSync(join(folder, 'train.bin'));
  const cut = train.length - count * RECORD_BYTES;
  writeFileSync(join(made, 'train.bin'), train.subarray(0, cut));
  writeFileSync(join(made, 'test.bin'), train.subarray(cut));
  copyFileSync(join(folder, 'batches.meta.txt'), join(made, 'batches.meta.txt'));
  return made;
}

function rowsAt(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean).map(JSON.parse) : [];
}

function keyOf({ task, recipe, seed }) {
  return JSON.stringify([task, recipe, seed]);
}

function commitOfProject() {
  const git = (...args) => execFileSync('git', ['-C', project, ...args], { encoding: 'utf8' }).trim();
  return (
    git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'cli', 'runtime') === '' ? '' : ' and changes')
  );
}

function gpus() {
  try {
    const query = ['--query-gpu=name', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n');
  } catch {
    return [];
  }
}
