/** JSON that is read and written again: the numbers as they were. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRow, parseWritten, WrittenNumber } from '../../../cli/data/text/written-numbers.ts';
import { toJson } from '../../../cli/predict/plain.ts';

/** Numbers as JSON may write them (RFC 8259, section 6). */
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 25 });
const number = fc
  .record({
    sign: fc.constantFrom('', '-'),
    whole: digits.map((text) => text.replace(/^0+(?=\d)/, '')),
    fraction: fc.option(digits),
    exponent: fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-'), digits)),
  })
  .map(({ sign, whole, fraction, exponent }) =>
    [sign, whole, fraction === null ? '' : `.${fraction}`, exponent?.join('') ?? ''].join(''),
  );
const text = fc.string({ unit: fc.constantFrom(...'1-9.e"\\ {[:,]}é\n') }).map((value) => JSON.stringify(value));
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    number,
    text,
    fc.constantFrom('true', 'false', 'null'),
    fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .uniqueArray(fc.tuple(text, tie('json')), { maxLength: 4, selector: ([name]) => name })
      // Keys that look like numbers come first in any object.
      .map((fields) => fields.map(([name, value]) => `"k${name.slice(1)}:${value}`))
      .map((fields) => `{${fields.join(',')}}`),
  ),
}));

describe('parseWritten', () => {
  it('loses no digit, wherever it stands', () => {
    fc.assert(
      fc.property(json, (written) => {
        expect(toJson(parseWritten(written))).toBe(written);
      }),
      { numRuns: 500 },
    );
  });

  it('gives what JSON.parse gives where that is faithful, and throws what it throws', () => {
    for (const plain of ['{"a":[1,-2.5,1e+21,"1.0"],"__proto__":{"b":null}}', '"12345678901234567890"', '0'])
      expect(parseWritten(plain)).toEqual(JSON.parse(plain));
    for (const broken of ['', '{"a":1.}', '[01]', '{"a":"', '1e'])
      expect(() => parseWritten(broken)).toThrow(SyntaxError);
  });

  it('gives numbers that are no rows', () => {
    const [number, row] = parseWritten('[1.0,{"a":1.0}]') as unknown[];
    expect([isRow(number), isRow(row)]).toEqual([false, true]);
    expect(number).toEqual(new WrittenNumber('1.0'));
  });
});
