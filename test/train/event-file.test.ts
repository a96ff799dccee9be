/** TensorBoard's event files, against bytes that its own writer made (fixtures/make_events.py) and published checksums. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bytesBefore, crc32c, eventFileStart, eventOf, scalarsOf } from '../../cli/train/event-file.ts';

const fixture = readFileSync(new URL('fixtures/scalars.tfevents', import.meta.url));
const lines = [
  { step: 0, epoch: 0, lambda: 1, loss: 0.125, msPerStep: 3.5 },
  { step: 1, epoch: 0, lambda: 0.5, loss: 0.1, msPerStep: 2 },
  { step: 1, epoch: 0, lambda: 0.5, accuracy: 0.75, samples: 100 },
  { step: 300, epoch: 2, lambda: null, loss: 1e-9, msPerStep: 2.25 },
];
const records = [eventFileStart(1_700_000_000.5), ...lines.map((line) => eventOf(line, 1_700_000_001.25))];
/** Where each record ends. */
const ends = records.map((_, i) => records.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));

it("writes the bytes of TensorBoard's writer", () => {
  expect(Buffer.concat(records).equals(fixture)).toBe(true);
});

it.each([
  // RFC 3720, appendix B.4.
  [new Uint8Array(32), 0x8a91_36aa],
  [new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd_794e],
  [Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113f_db5c],
  // The catalogue of CRC algorithms' check value.
  [new TextEncoder().encode('123456789'), 0xe306_9283],
  [new Uint8Array(0), 0],
])('crc32c of %j', (bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
});

describe('scalars of a line', () => {
  it('are all numbers of a step', () => {
    expect(scalarsOf({ step: 3, epoch: 1, lambda: 0, learningRate: 0.5, loss: 2, dataMs: 0 })).toEqual({
      'train/epoch': 1,
      'train/lambda': 0,
      'train/learningRate': 0.5,
      'train/loss': 2,
      'train/dataMs': 0,
    });
  });

  it('are the scores alone of an evaluation; one that is not defined is left out', () => {
    expect(scalarsOf({ step: 3, epoch: 1, lambda: 0, microF1: 0.5, samples: 9 })).toEqual({
      'evaluation/microF1': 0.5,
    });
    expect(scalarsOf({ step: 3, epoch: 1, lambda: null, pearson: null, samples: 9 })).toEqual({});
  });
});

describe('the bytes before a step', () => {
  it.each([
    [0, 0],
    [1, 1],
    [2, 3],
    [300, 3],
    [301, 4],
  ])('before step %d: the start of the file and %d events', (step, events) => {
    expect(bytesBefore(fixture, step)).toBe(ends[events]);
  });

  it('end before a record that is cut short, wherever that is', () => {
    for (let length = 0; length < fixture.length; length++)
      expect(bytesBefore(fixture.subarray(0, length), 1000), `${length} bytes`).toBe(
        ends.filter((end) => end <= length).at(-1) ?? 0,
      );
  });

  it('end before a byte that is another', () => {
    for (let place = 0; place < fixture.length; place++) {
      const broken = Buffer.from(fixture);
      broken[place] ^= 0x10;
      expect(bytesBefore(broken, 1000), `byte ${place}`).toBe(ends.filter((end) => end <= place).at(-1) ?? 0);
    }
  });

  it('are none of a file that begins with a step', () => {
    expect(bytesBefore(fixture.subarray(ends[0]), 1000)).toBe(0);
  });
});
