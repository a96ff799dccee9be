/**
 * Data beside the project, which a clone need not have: real data sets, trained models, large oracles. They are looked
 * for in `../shared`, or where SLIM_SHARED points; its `golden/` where SLIM_GOLDEN points.
 *
 * What is there is known when tests are collected, so that those without it are skipped, each with its reason; where it
 * is, is told to running tests only. So a file can't read it while it is collected, which would break the file wherever
 * the data is absent.
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, it } from 'vitest';
import { skipNote } from '../contract/hosts/installed.ts';

/** A folder or file that tests read. */
export interface TestData {
  /** For titles. */
  readonly name: string;
  /** Why tests that need it are skipped; null where it is there. */
  readonly absent: string | null;
  /**
   * Its path, or that of a file in it.
   * @throws Error where no test is running yet
   */
  path(file?: string): string;
}

// Hooks run when all files' tests are collected; this one, of a module that tests import, before their own.
let isRunning = false;
beforeAll(() => {
  isRunning = true;
});

function testData(name: string, location: string, absent: string | null): TestData {
  return {
    name,
    absent,
    path(file = '') {
      if (!isRunning) throw new Error(`${name} is read in tests and their hooks, not while tests are collected`);
      return join(location, file);
    },
  };
}

/** Beside the project: `shared('data/cifar10')`. */
export function shared(name: string): TestData {
  const folder = process.env.SLIM_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));
  const golden = process.env.SLIM_GOLDEN ?? join(folder, 'golden');
  const location = name.startsWith('golden/') ? join(golden, name.slice('golden/'.length)) : join(folder, name);
  return testData(`shared/${name}`, location, existsSync(location) ? null : `no ${location}`);
}

/** Of the project itself, beside the test: `own(import.meta.url, 'fixtures/tiny-vit')`. */
export function own(test: string, name: string): TestData {
  const location = fileURLToPath(new URL(name, test));
  return testData(relative(fileURLToPath(new URL('..', import.meta.url)), location), location, null);
}

const reasonOf = (data: readonly TestData[]): string | null =>
  data.find(({ absent }) => absent !== null)?.absent ?? null;

/** A suite that reads data: where some of it is absent it is skipped, and its title says why. */
export function describeWith(data: readonly TestData[], title: string, suite: () => void): void {
  const absent = reasonOf(data);
  describe.skipIf(absent !== null)(`${title}${skipNote(absent)}`, suite);
}

/** A test that reads data, likewise. */
export function itWith(data: readonly TestData[], title: string, test: () => void | Promise<void>): void {
  const absent = reasonOf(data);
  it.skipIf(absent !== null)(`${title}${skipNote(absent)}`, test);
}
