import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeWith, itWith, own, shared } from './shared.ts';

const here = own(import.meta.url, 'shared.test.ts');
const nowhere = shared('no/such/data');
const whileCollected = [here, nowhere].map((data) => {
  try {
    return data.path();
  } catch (error) {
    return (error as Error).message;
  }
});

it('tells paths to running tests, not to a file that is collected', () => {
  const message = (name: string): string => `${name} is read in tests and their hooks, not while tests are collected`;
  expect(whileCollected).toEqual([message('support/shared.test.ts'), message('shared/no/such/data')]);
  expect(existsSync(here.path())).toBe(true);
  expect(own(import.meta.url, '.').path('shared.test.ts')).toBe(here.path());
});

it('says what is absent', () => {
  expect(here.absent).toBeNull();
  expect(nowhere.absent).toMatch(/^no .*no\/such\/data$/);
});

let ran = 0;
itWith([here], 'runs a test where its data is there', () => void ran++);
describeWith([here], 'a suite', () => it('runs where its data is there', () => void ran++));
it('ran both, with titles that say nothing of skipping', ({ task }) => {
  expect(ran).toBe(2);
  expect(task.file.tasks.filter(({ name }) => name.includes('skipped'))).toEqual([]);
});
