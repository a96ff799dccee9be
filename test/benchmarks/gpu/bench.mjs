// Slim on this machine's GPU, tested and timed beside PyTorch and JAX, where Python has them. Runs in the folder that
// infra/gpu-bundle.mjs makes. Every part has its own time; what is known is written after each.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { untested } from './untested.mjs';

const HELP = `bash run.sh, or npm run bench:gpu -- with

  --device NAME    cuda, rocm, tpu or cpu (default: the best that slim devices finds)
  --models WHICH   full: ViT-B and BERT-base; tiny: two presets of a few blocks, to try the script (default: full)
  --parts LIST     of devices, tests, train-step (default: all)
  --cases LIST     of what --models stands for these alone, each as MODEL:BATCH:PRECISION, such as vit-b16:128:bf16
  --systems LIST   of slim, torch-compile, torch-eager, jax-jit (default: all that are there)
  --rounds N       how often every system is timed, in turn (default: 2)
  --steps N        timed steps of each phase (default: 20)
  --minutes N      begin nothing after so many (default: 28)
  --python FILE    with torch or jax (default: SLIM_PYTHON, else python3)
  --out FILE       the results as JSON, written after each part (default: results.json)
`;
const { values: flags } = parseArgs({
  options: {
    device: { type: 'string' },
    models: { type: 'string', default: 'full' },
    parts: { type: 'string', default: 'devices,tests,train-step' },
    cases: { type: 'string' },
    systems: { type: 'string', default: 'slim,torch-compile,torch-eager,jax-jit' },
    rounds: { type: 'string', default: '2' },
    steps: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '28' },
    python: { type: 'string', default: process.env.SLIM_PYTHON || 'python3' },
    out: { type: 'string', default: 'results.json' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  process.stdout.write(HELP);
  process.exit();
}

const here = fileURLToPath(new URL('.', import.meta.url));
const out = resolve(process.env.INIT_CWD ?? process.env.OLDPWD ?? '.', flags.out);
const SLIM = join(here, 'slim/dist/slim.mjs');
const RANK = 32;
const CLASSES = 10;
const TOKENS = 128;
/** Seconds that one timing may take: XLA and torch.compile compile a step for a minute or two. */
const TIMING_SECONDS = 420;
const GPU_SUITE = 'gpu/gpu.test.mjs';
const SUITES = [
  ['contract suite', 'contract/engines.test.mjs', 240],
  ['golden PC-LoRA steps', 'golden/pclora-step.test.mjs', 300],
  ['xla', 'engines/xla.test.mjs', 180],
  ['what only a GPU shows', GPU_SUITE, 420],
];
const CASES = {
  full: [
    { model: 'vit-b16', batch: 128, precision: 'bf16' },
    { model: 'bert-base', batch: 128, precision: 'bf16' },
    { model: 'vit-b16', batch: 32, precision: 'bf16' },
    { model: 'bert-base', batch: 32, precision: 'bf16' },
    { model: 'vit-b16', batch: 16, precision: 'f32' },
  ],
  tiny: [
    { model: 'vit-pico', batch: 8, precision: 'f32' },
    { model: 'bert-pico', batch: 4, precision: 'bf16' },
  ],
};
if (!(flags.models in CASES)) throw new Error(`--models ${flags.models}: expected full or tiny`);
const nameOf = ({ model, batch, precision }) => `${model}:${batch}:${precision}`;
const cases = flags.cases
  ? flags.cases.split(',').map((name) => {
      const found = CASES[flags.models].find((one) => nameOf(one) === name);
      if (found) return found;
      throw new Error(`--cases ${name}: expected one of ${CASES[flags.models].map(nameOf).join(', ')}`);
    })
  : CASES[flags.models];

const began = Date.now();
const minutes = () => (Date.now() - began) / 60_000;
const results = {
  date: new Date(began).toISOString(),
  host: hostFacts(),
  devices: [],
  tests: [],
  trainStep: [],
  missing: [],
};
const log = (line) => process.stderr.write(`${minutes().toFixed(1).padStart(5)} min  ${line}\n`);

function save() {
  writeFileSync(`${out}.tmp`, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(`${out}.tmp`, out);
}

function hostFacts() {
  const facts = { cpu: cpus()[0]?.model ?? process.arch, threads: cpus().length, node: process.version };
  try {
    const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
    return { ...facts, gpus: execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim().split('\n') };
  } catch {
    return { ...facts, gpus: [] };
  }
}

/** Runs a program; resolves to what it wrote, or to why it gave nothing. Its errors go where ours go. */
function run(program, args, seconds, env = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd: here,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-4000)));
    const timer = setTimeout(() => child.kill('SIGKILL'), 1000 * seconds);
    child.on('error', (error) => done({ stdout, problem: error.message }));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const told = stderr.trim().split('\n').slice(-6).join('\n');
      const ended = signal ? `ended by ${signal} (it had ${seconds} s)` : `exit code ${code}`;
      done({ stdout, problem: code === 0 ? null : `${ended}: ${told}` });
    });
  });
}

/** Runs a program that answers with JSON, and keeps what came of it among the results. */
async function measured(what, program, args, env) {
  if (minutes() > Number(flags.minutes)) {
    results.missing.push({ what, problem: `not begun: ${flags.minutes} minutes were over` });
    return null;
  }
  const { stdout, problem } = await run(program, args, TIMING_SECONDS, env);
  try {
    if (problem !== null) throw new Error(problem);
    return JSON.parse(stdout.trim().startsWith('{') ? stdout : stdout.trim().split('\n').at(-1));
  } catch (error) {
    log(`${what}: ${error.message}`);
    results.missing.push({ what, problem: error.message });
    return null;
  } finally {
    save();
  }
}

const slim = (...args) => [process.execPath, [SLIM, ...args]];

/** What computes, the best first, as --device names it. */
async function findDevice() {
  const { stdout, problem } = await run(...slim('devices', '--json'), 120);
  if (problem !== null) throw new Error(`slim devices: ${problem}`);
  results.devices = JSON.parse(stdout).devices;
  save();
  for (const { engine, device, name, version, problem } of results.devices)
    log(`${engine} ${device}: ${problem ?? `${name}, ${version}`}`);
  const usable = results.devices.filter(({ plugin, problem }) => plugin && problem === null);
  const wanted = flags.device ? [flags.device] : ['cuda', 'rocm', 'tpu', 'cpu'];
  const found = wanted.map((name) => usable.find(({ device }) => device === name)).find(Boolean);
  if (!found) throw new Error(`no plugin computes on ${wanted.join(', ')} here: see the list above, and slim setup`);
  return found;
}

/** Runs the bundled suites on the device, on Node's own runner. */
async function runTests({ plugin, device }) {
  const env = {
    SLIM_PJRT_PLUGIN: plugin,
    SLIM_TEST_ENGINES: 'xla',
    SLIM_SHARED: '/nonexistent',
    SLIM_GOLDEN: '/nonexistent',
  };
  for (const [what, file, seconds] of SUITES) {
    if (minutes() > Number(flags.minutes)) {
      results.missing.push({ what, problem: `not begun: ${flags.minutes} minutes were over` });
      continue;
    }
    const { stdout, problem: ended } = await run(process.execPath, [join(here, 'tests', file)], seconds, env);
    const tests = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    const count = (outcome) => tests.filter((test) => test.outcome === outcome).length;
    const failures = tests.filter(({ outcome }) => outcome === 'failed');
    const told = { suite: what, passed: count('passed'), failed: failures.length, skipped: count('skipped') };
    const problem = ended ?? untested(told, file === GPU_SUITE && ['cuda', 'rocm'].includes(device));
    results.tests.push({ ...told, failures: failures.slice(0, 40), problem });
    save();
    const why = problem !== null && failures.length === 0 ? `; ${problem}` : '';
    log(`${what}: ${told.passed} passed, ${told.failed} failed, ${told.skipped} skipped${why}`);
    for (const { title, error } of failures.slice(0, 10)) log(`  ${title}: ${error.split('\n')[0]}`);
  }
}

/** Which of the systems are here; Slim is. */
async function systems(device) {
  const asked = flags.systems.split(',');
  const found = asked.includes('slim') ? [{ system: 'slim', mode: device }] : [];
  for (const [library, modes] of [
    ['torch', ['compile', 'eager']],
    ['jax', ['jit']],
  ]) {
    const wanted = modes.filter((mode) => asked.includes(`${library}-${mode}`));
    if (wanted.length === 0) continue;
    const check = {
      torch: 'import torch; print(torch.cuda.is_available())',
      jax: 'import jax; print(jax.default_backend())',
    };
    const { stdout, problem } = await run(flags.python, ['-c', check[library]], 120);
    const usable = problem === null && (device === 'cpu' || !/^(False|cpu)/.test(stdout.trim()));
    if (usable) for (const mode of wanted) found.push({ system: library, mode });
    else log(`${library}: not beside ${flags.python}, or not on ${device}`);
  }
  return found;
}

/** Every case by every system, one process each, in turn: what one round has of heat or neighbours, all have. */
async function timeSteps(device) {
  const all = await systems(device);
  for (const { model, batch, precision } of cases) {
    for (let round = 1; round <= Number(flags.rounds); round++) {
      for (const { system, mode } of all) {
        const what = `${model}, batch ${batch}, ${precision}, ${system} ${mode}, round ${round}`;
        const told =
          system === 'slim'
            ? await timeSlim(what, { model, batch, precision, device })
            : await timeReference(what, { model, batch, precision, device, system, mode });
        if (!told) continue;
        for (const [phase, timing] of Object.entries(told)) {
          results.trainStep.push({ model, batch, precision, phase, system, mode, round, ...timing });
          log(`${what}, ${phase}: ${timing.medianMs.toFixed(1)} ms, ${timing.samplesPerSecond.toFixed(0)}/s`);
        }
        save();
      }
    }
  }
}

async function timeSlim(what, { model, batch, precision, device }) {
  const sizes = ['--rank', String(RANK), '--classes', String(CLASSES), '--tokens', String(TOKENS)];
  const told = await measured(
    what,
    ...slim(
      ...['bench', 'train-step', '--json', '--model', model, '--batch-size', String(batch), ...sizes],
      ...['--engine', 'xla', '--device', device, '--precision', precision, '--steps', flags.steps],
    ),
  );
  if (!told) return null;
  const { fading, adaptersOnly } = told.phases;
  const facts = { engine: told.engine, peakDeviceBytes: told.peakDeviceBytes };
  return { fading: { ...fading, ...facts }, adapters: { ...adaptersOnly, ...facts } };
}

async function timeReference(what, { model, batch, precision, device, system, mode }) {
  const script = join(here, `reference_${system}.py`);
  const phases = {};
  for (const phase of ['fading', 'adapters']) {
    const given = { model, batch, tokens: TOKENS, rank: RANK, classes: CLASSES, precision, mode, phases: [phase] };
    const told = await measured(`${what}, ${phase}`, flags.python, [
      script,
      JSON.stringify({ ...given, steps: Number(flags.steps), device: device === 'cpu' ? 'cpu' : 'cuda' }),
    ]);
    if (told) phases[phase] = { ...told.phases[phase], engine: told.library, peakDeviceBytes: told.peakDeviceBytes };
  }
  return phases;
}

/** Samples a second, the median of the rounds; one row a case and phase, and Slim's share of the best other. */
function tableOf(rows) {
  const names = [...new Set(rows.map(({ system, mode }) => (system === 'slim' ? 'slim' : `${system} ${mode}`)))];
  const key = ({ model, batch, precision, phase }) =>
    [model, batch, precision, phase === 'fading' ? 'λ > 0' : 'λ = 0'].join(', ');
  const lines = [...new Set(rows.map(key))].map((name) => {
    const rates = names.map((system) => {
      const own = rows.filter(
        (row) => key(row) === name && (row.system === 'slim' ? 'slim' : `${row.system} ${row.mode}`) === system,
      );
      const sorted = own.map(({ samplesPerSecond }) => samplesPerSecond).sort((a, b) => a - b);
      return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
    });
    const others = rates.filter((rate, i) => rate !== null && names[i] !== 'slim');
    const own = rates[names.indexOf('slim')];
    const ratio = own && others.length ? (own / Math.max(...others)).toFixed(2) : '';
    return [name, ...rates.map((rate) => (rate === null ? '-' : rate.toFixed(rate < 100 ? 1 : 0))), ratio];
  });
  const table = [['samples a second', ...names, 'slim / best other'], ...lines];
  const widths = table[0].map((_, i) => Math.max(...table.map((line) => [...line[i]].length)));
  return table
    .map((line) => line.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  '))
    .join('\n');
}

if (!existsSync(SLIM)) throw new Error(`${SLIM} is not here: node infra/gpu-bundle.mjs makes this folder`);
const parts = flags.parts.split(',');
const device = await findDevice();
if (parts.includes('tests')) await runTests(device);
if (parts.includes('train-step')) await timeSteps(device.device);
results.minutes = Number(minutes().toFixed(2));
save();
if (results.trainStep.length) process.stdout.write(`${tableOf(results.trainStep)}\n`);
for (const { what, problem } of results.missing) process.stdout.write(`missing: ${what}: ${problem.split('\n')[0]}\n`);
process.stdout.write(`${out}\n`);
const { version } = JSON.parse(readFileSync(join(here, 'slim/package.json'), 'utf8'));
log(`slim ${version}, ${device.name}: done`);
if (results.tests.some(({ failed, problem }) => failed || problem)) process.exitCode = 1;
