/** What the page writes: numbers, sentences, the example's quotes. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../runtime/page/client.ts';
import { explain, isPassing } from '../../runtime/page/explain.ts';
import { duration, metric, percent } from '../../runtime/page/format.ts';
import { curlCommand, type PredictRequest, pictureRequest, textRequest } from '../../runtime/page/predict-request.ts';

/** Numbers don't part from their units. */
const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

it.each([
  [0, '0.0 %'],
  [0.00049, '< 0.1 %'],
  [0.0005, '0.1 %'],
  [0.0402, '4.0 %'],
  [0.8312, '83.1 %'],
  [0.9994, '99.9 %'],
  [0.99951, '> 99.9 %'],
  [1, '100.0 %'],
])('a share of %d is %s', (share, text) => expect(plain(percent(share))).toBe(text));

it.each([
  [0, '', '0'],
  [850, 'B', '850 B'],
  [90_012, 'B', '90 kB'],
  [6_193_678, '', '6.19 M'],
  [85_806_346, '', '85.8 M'],
  [17_563_000_000, 'MAC', '17.6 GMAC'],
])('%d %s is %s', (value, unit, text) => expect(plain(metric(value, unit))).toBe(text));

it.each([
  [0.04, '0.0 ms'],
  [12.34, '12.3 ms'],
  [1234, '1.2 s'],
])('%d ms is %s', (ms, text) => expect(plain(duration(ms))).toBe(text));

describe('a failure', () => {
  const cases: [Failure, string][] = [
    [new Failure(0, ''), 'The server can’t be reached. Check your connection and try again.'],
    [new Failure(400, 'inputs: expected a string'), 'The server refused the request (400): inputs: expected a string.'],
    [
      new Failure(413, 'the body is larger than 4194304 bytes'),
      'This picture is larger than the server takes: the body is larger than 4194304 bytes.',
    ],
    [new Failure(413, ''), 'This picture is larger than the server takes.'],
    [new Failure(429, '', 1), 'That was too many requests in a short time. Try again in 1 second.'],
    [new Failure(429, '', 30), 'That was too many requests in a short time. Try again in 30 seconds.'],
    [new Failure(503, ''), 'The server is busy. Try again in a moment.'],
    [new Failure(504, 'the deadline passed'), 'The answer took too long. Try again.'],
    [
      new Failure(500, 'secret', null, 'a1b2'),
      'Something went wrong on the server (500). Try again, or look for request a1b2 in its log.',
    ],
    [new Failure(502, ''), 'Something went wrong on the server (502). Try again.'],
  ];
  it.each(cases)('%o is told in words', (failure, text) => expect(explain(failure, 'picture')).toBe(text));

  it('passes, or stays', () => {
    const passing = [0, 400, 401, 403, 404, 413, 415, 422, 429, 500, 502, 503, 504].filter((status) =>
      isPassing(new Failure(status, '')),
    );
    expect(passing).toEqual([0, 429, 500, 502, 503, 504]);
  });
});

describe('the example', () => {
  /** What a shell makes of a command: its words, the first one being `curl`. */
  const wordsOf = (command: string): string[] =>
    execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }; TOKEN=secret; ${command}`], { encoding: 'utf8' })
      .split('\0')
      .slice(0, -1);
  const address = "http://localhost/it's/v1/predict?top_k=5";

  it('sends a picture', () => {
    const file = new File(['x'], "rex's $(best) `day`.jpg", { type: 'image/jpeg' });
    expect(wordsOf(curlCommand(pictureRequest(file), address, false))).toEqual([
      address,
      '-H',
      'content-type: image/jpeg',
      '--data-binary',
      `@${file.name}`,
    ]);
  });

  it('sends a picture of no known type as bytes', () => {
    expect(pictureRequest(new File(['x'], 'rex')).contentType).toBe('application/octet-stream');
  });

  it.each<[string, string | null, unknown]>([
    ['it\'s "so"\n$HOME good', null, 'it\'s "so"\n$HOME good'],
    ['a premise', 'its \\hypothesis', { text: 'a premise', text_pair: 'its \\hypothesis' }],
  ])('sends the text %j, %j', (text, pair, inputs) => {
    const request: PredictRequest = textRequest(text, pair);
    expect(JSON.parse(request.body as string)).toEqual({ inputs });
    const [to, , type, , data] = wordsOf(curlCommand(request, address, false));
    expect([to, type, JSON.parse(data)]).toEqual([address, 'content-type: application/json', { inputs }]);
  });

  it('names the token, and does not show it', () => {
    const command = curlCommand(textRequest('hello', null), address, true);
    expect(command).toContain('$TOKEN');
    expect(wordsOf(command)).toContain('authorization: Bearer secret');
  });
});
