/**
 * The part of vitest that the suites of an engine use, with its own `expect`, in one process: for machines where nothing
 * can be installed. Writes a line of JSON for each test: its title, its outcome, and the error of one that failed.
 */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  type ExpectStatic,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export const expect = ((value: unknown, message?: string) => {
  setState({ assertionCalls: getState(expect).assertionCalls + 1 }, expect);
  return chai.expect(value, message);
}) as unknown as ExpectStatic;
Object.assign(expect, chai.expect);
expect.getState = () => getState(expect);
expect.setState = (state) => setState(state, expect);
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, writable: true, configurable: true });
Object.defineProperties(
  expect,
  Object.getOwnPropertyDescriptors((globalThis as unknown as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT]),
);
setState({ assertionCalls: 0 }, expect);

/** As vitest's: a test may take a minute unless it says otherwise. */
const TIMEOUT_MS = 60_000;

type Body = (...values: never[]) => unknown;
interface Options {
  readonly timeout?: number;
}

interface Job {
  readonly body: () => unknown;
  readonly timeout: number;
}

interface Test extends Job {
  readonly title: string;
  readonly skipped: boolean;
}

/** What `describe` gathers, once its body has run; the file is one. */
interface Suite extends Test {
  readonly before: Job[];
  readonly after: Job[];
  readonly members: (Test | Suite)[];
}

const emptySuite = (test: Test): Suite => ({
  ...test,
  before: [],
  after: [],
  members: [],
});
const file = emptySuite({ title: '', skipped: false, timeout: TIMEOUT_MS, body: () => undefined });
let gathering = file;

type Register = (title: string, skipped: boolean, timeout: number, body: () => unknown) => void;

const registerTest: Register = (title, skipped, timeout, body) =>
  void gathering.members.push({ title, skipped, timeout, body });
const registerSuite: Register = (title, skipped, timeout, body) =>
  void gathering.members.push(emptySuite({ title, skipped: skipped || gathering.skipped, timeout, body }));

/** Runs the bodies of suites, in order, after the file's. */
async function gather(suite: Suite): Promise<void> {
  gathering = suite;
  await suite.body();
  for (const member of suite.members) if ('members' in member) await gather(member);
}

function api(register: Register, skipped: boolean) {
  // (title, body), (title, options, body) or (title, body, milliseconds)
  const add = (title: string, second: Body | Options, third?: Body | number): void => {
    const [body, timeout] =
      typeof second === 'function' ? [second, third as number | undefined] : [third as Body, second.timeout];
    register(title, skipped, timeout ?? gathering.timeout, body as () => unknown);
  };
  const each =
    (cases: readonly unknown[]) =>
    (title: string, second: Body | Options, third?: Body | number): void => {
      for (const [i, given] of cases.entries()) {
        const values = (Array.isArray(given) ? given : [given]) as never[];
        const bound = (body: unknown): unknown => (typeof body === 'function' ? () => (body as Body)(...values) : body);
        add(titleOf(title, values, i), bound(second) as Body, bound(third) as Body);
      }
    };
  return Object.assign(add, { each });
}

/** `%s` and its like take the values in turn; `$name` a field of the first. */
function titleOf(title: string, values: readonly unknown[], index: number): string {
  let next = 0;
  const shown = (value: unknown): string =>
    typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return title
    .replace(/%#/g, String(index))
    .replace(/%[sdifjo]/g, () => shown(values[next++]))
    .replace(/\$(\w+)/g, (whole, field: string) => {
      const first = values[0];
      return typeof first === 'object' && first !== null && field in first
        ? shown((first as Record<string, unknown>)[field])
        : whole;
    });
}

const withSkips = (register: Register) =>
  Object.assign(api(register, false), {
    skip: api(register, true),
    skipIf: (condition: unknown) => api(register, Boolean(condition)),
  });

export const describe = withSkips(registerSuite);
export const it = withSkips(registerTest);

export const beforeAll = (body: () => unknown, timeout = TIMEOUT_MS): void =>
  void gathering.before.push({ body, timeout });
export const afterAll = (body: () => unknown, timeout = TIMEOUT_MS): void =>
  void gathering.after.push({ body, timeout });

async function inTime({ body, timeout }: Job): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${timeout} ms`)), timeout);
  });
  try {
    await Promise.race([body(), tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** Null where all of it went well. */
async function failureOf(jobs: readonly Job[]): Promise<string | null> {
  try {
    for (const job of jobs) await inTime(job);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function tell(title: string, outcome: 'passed' | 'failed' | 'skipped', error?: string): void {
  process.stdout.write(`${JSON.stringify({ title, outcome, error })}\n`);
  if (outcome === 'failed') process.exitCode = 1;
}

/** @param broken why what the suite needs is not there */
async function run(suite: Suite, path: readonly string[], broken: string | null): Promise<void> {
  const runs = (member: Test | Suite): boolean => ('members' in member ? member.members.some(runs) : !member.skipped);
  const needed = !suite.skipped && suite.members.some(runs);
  const failure = broken ?? (needed ? await failureOf(suite.before) : null);
  for (const member of suite.members) {
    const titles = [...path, member.title];
    if ('members' in member) await run(member, titles, failure);
    else if (member.skipped || suite.skipped) tell(titles.join(' > '), 'skipped');
    else {
      const error = failure ?? (await failureOf([member]));
      tell(titles.join(' > '), error === null ? 'passed' : 'failed', error ?? undefined);
    }
  }
  const left = needed ? await failureOf(suite.after) : null;
  if (left !== null) tell([...path, 'afterwards'].join(' > '), 'failed', left);
}

// Once the file has been read to its end.
process.once('beforeExit', () => void gather(file).then(() => run(file, [], null)));
