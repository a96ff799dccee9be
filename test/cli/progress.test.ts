import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgress, formatDuration } from '../../cli/io/progress.ts';

/** A stream and a clock under the test's control. */
function screen(isTTY: boolean, columns?: number) {
  const size = { columns };
  let time = 0;
  let written = '';
  const progress = createProgress(
    {
      isTTY,
      get columns() {
        return size.columns;
      },
      write: (text) => {
        written += text;
      },
    },
    'step',
    () => time,
  );
  return {
    progress,
    resize: (to: number) => {
      size.columns = to;
    },
    at: (ms: number) => {
      time = ms;
    },
    /** What was written since the last look. */
    look: () => {
      const text = written;
      written = '';
      return text;
    },
  };
}

// That of whoever runs the tests may be a dumb one.
beforeEach(() => void vi.stubEnv('TERM', 'xterm-256color'));
afterEach(() => void vi.unstubAllEnvs());

describe('on a terminal', () => {
  it('redraws one line, at most ten times a second, with the time that is left', () => {
    const { progress, at, look } = screen(true, 80);
    at(60_000);
    progress.update(1, 100, 'loss 1.0');
    expect(look()).toBe('step 1/100  loss 1.0');
    at(60_050);
    progress.update(2, 100, 'loss 0.9');
    expect(look()).toBe('');
    // 10 steps in 5 s: 89 more take 44.5 s. The minute of loading before the first step does not count.
    at(65_000);
    progress.update(11, 100, 'loss 0.8');
    expect(look()).toBe('\r\x1b[Kstep 11/100  loss 0.8, 45 s left');
    progress.line('accuracy 50 %');
    expect(look()).toBe('\r\x1b[Kaccuracy 50 %\n');
    progress.update(100, 100, 'loss 0.1');
    expect(look()).toBe('step 100/100  loss 0.1');
    progress.end();
    progress.end();
    expect(look()).toBe('\n');
  });

  it('never wraps', () => {
    const { progress, look } = screen(true, 20);
    progress.update(1, 100, 'much too long for it');
    expect(look()).toBe('step 1/100  much to');
  });
});

describe('several details on a terminal', () => {
  const details = ['epoch 1/3', 'λ 0.500', 'loss 0.1234', '12 samples/s'];

  it('stand below a bar, and are redrawn in place', () => {
    const { progress, at, look } = screen(true, 80);
    progress.update(25, 100, details, 65_000);
    const bar = `[${'='.repeat(7)}>${' '.repeat(22)}]`;
    expect(look()).toBe(`step 25/100  ${bar}  25 %  1 min 05 s left\nepoch 1/3  λ 0.500  loss 0.1234  12 samples/s`);
    at(200);
    progress.update(50, 100, details, null);
    const half = `[${'='.repeat(15)}>${' '.repeat(14)}]`;
    expect(look()).toBe(`\r\x1b[1A\x1b[Jstep 50/100  ${half}  50 %\nepoch 1/3  λ 0.500  loss 0.1234  12 samples/s`);
    progress.line('accuracy 50 %');
    expect(look()).toBe('\r\x1b[1A\x1b[Jaccuracy 50 %\n');
    progress.update(100, 100, details, 0);
    expect(look()).toBe(`step 100/100  [${'='.repeat(30)}]  100 %\nepoch 1/3  λ 0.500  loss 0.1234  12 samples/s`);
    progress.end();
    expect(look()).toBe('\n');
  });

  it('take as many lines as they need where it is narrow, without a bar, and never wrap', () => {
    const { progress, look } = screen(true, 24);
    progress.update(25, 100, [...details, 'one that is much too long for it'], 65_000);
    expect(look().split('\n')).toEqual(
      ['step 25/100  25 %  1 min', 'epoch 1/3  λ 0.500', 'loss 0.1234', '12 samples/s', 'one that is much too lo'].map(
        (line) => line.slice(0, 23),
      ),
    );
  });

  it('are taken back as the terminal has broken them since it became narrower', () => {
    const { progress, at, resize, look } = screen(true, 80);
    progress.update(25, 100, details, 65_000);
    look();
    at(200);
    resize(40);
    progress.update(26, 100, details, 65_000);
    // 70 and 46 characters were drawn, which 40 columns have in two lines each.
    expect(look()).toMatch(
      /^\r\x1b\[3A\x1b\[Jstep 26\/100 {2}26 % {2}1 min 05 s left\nepoch 1\/3 {2}λ 0\.500 {2}loss 0\.1234\n12 samples\/s$/,
    );
  });

  it('are plain lines on a dumb one', () => {
    vi.stubEnv('TERM', 'dumb');
    const { progress, look } = screen(true, 80);
    progress.update(25, 100, details, 65_000);
    expect(look()).toBe('step 25/100  epoch 1/3  λ 0.500  loss 0.1234  12 samples/s, 1 min 05 s left\n');
  });

  it('never colour anything', () => {
    const { progress, look } = screen(true, 80);
    progress.update(25, 100, ['\x1b[31mred'], 65_000);
    expect(look()).not.toMatch(/\x1b\[[\d;]*m/);
  });
});

describe('elsewhere', () => {
  it('writes plain lines: the first, the last, and one every ten seconds', () => {
    const { progress, at, look } = screen(false);
    progress.update(1, 3000, 'a');
    at(9_999);
    progress.update(1000, 3000, 'b');
    at(10_000);
    progress.update(1001, 3000, 'c');
    progress.update(3000, 3000, 'd');
    progress.line('done');
    progress.end();
    expect(look()).toBe('step 1/3000  a\nstep 1001/3000  c, 20 s left\nstep 3000/3000  d\ndone\n');
  });

  it('knows no time left when resumed, until it has measured', () => {
    const { progress, at, look } = screen(false);
    at(5_000);
    progress.update(500, 1000, 'a');
    at(15_000);
    progress.update(600, 1000, 'b');
    expect(look()).toBe('step 500/1000  a\nstep 600/1000  b, 40 s left\n');
  });
});

it.each([
  [0, '0 s'],
  [42_400, '42 s'],
  [60_000, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_600, '1 h 00 min'],
  [7_620_000, '2 h 07 min'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
