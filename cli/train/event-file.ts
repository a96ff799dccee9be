/**
 * TensorBoard's event files: records of TensorFlow's TFRecord format (length, checksum of the length, data, checksum of
 * the data), each an Event message with scalars. Made line for line of what goes into metrics.jsonl.
 */
import protobuf from 'protobufjs';

const field = (id: number, type: string): protobuf.IField => ({ id, type });

/** The part of tensorflow/core/util/event.proto and framework/summary.proto that scalars take. */
const Event = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: field(1, 'double'),
        step: field(2, 'int64'),
        fileVersion: field(3, 'string'),
        summary: field(5, 'Summary'),
      },
    },
    Summary: { fields: { value: { ...field(1, 'Value'), rule: 'repeated' } } },
    // One of several kinds of values, so that a 0 is written.
    Value: {
      fields: { tag: field(1, 'string'), simpleValue: field(2, 'float') },
      oneofs: { value: { oneof: ['simpleValue'] } },
    },
  },
}).lookupType('Event');

/** What a file begins with. */
export function eventFileStart(seconds: number): Uint8Array {
  return recordOf({ wallTime: seconds, fileVersion: 'brain.Event:2' });
}

/** A line of metrics.jsonl. */
export type MetricsLine = Readonly<Record<string, unknown>> & { readonly step: number };

/** The event of a line: its numbers as scalars, `train/loss` of a step and `evaluation/accuracy` of an evaluation. */
export function eventOf(line: MetricsLine, seconds: number): Uint8Array {
  const value = Object.entries(scalarsOf(line)).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  return recordOf({ wallTime: seconds, step: line.step, summary: { value } });
}

/** What an evaluation's line has of the step that it came after. */
const OF_THE_STEP = ['epoch', 'lambda', 'samples'];

/** The numbers of a line by their tags. Null, such as λ where nothing fades, is left out. */
export function scalarsOf({ step: _, ...line }: MetricsLine): Record<string, number> {
  const isStep = 'loss' in line;
  return Object.fromEntries(
    Object.entries(line).flatMap(([name, value]) =>
      typeof value !== 'number' || (!isStep && OF_THE_STEP.includes(name))
        ? []
        : [[`${isStep ? 'train' : 'evaluation'}/${name}`, value] as const],
    ),
  );
}

/** How many bytes of a file are whole records of steps before this one; 0 where it does not begin as a file does. */
export function bytesBefore(file: Uint8Array, step: number): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let end = 0;
  while (end + FRAME_BYTES <= file.length) {
    const length = Number(view.getBigUint64(end, true));
    const next = end + FRAME_BYTES + length;
    if (next > file.length || view.getUint32(end + 8, true) !== maskedCrc(file.subarray(end, end + 8))) break;
    const data = file.subarray(end + 12, end + 12 + length);
    if (view.getUint32(end + 12 + length, true) !== maskedCrc(data)) break;
    const event = eventIn(data);
    const isStart = event?.fileVersion !== '';
    if (event === null || isStart !== (end === 0) || (!isStart && event.step >= step)) break;
    end = next;
  }
  return end;
}

/** What a record says of itself; null where it is no event. */
function eventIn(data: Uint8Array): { readonly step: number; readonly fileVersion: string } | null {
  try {
    return Event.toObject(Event.decode(data), { longs: Number, defaults: true }) as ReturnType<typeof eventIn>;
  } catch {
    // Its checksum is right, so another program wrote it: what we write goes on before it.
    return null;
  }
}

/** Length and checksums of a record. */
const FRAME_BYTES = 16;

function recordOf(event: object): Uint8Array {
  const data = Event.encode(event).finish();
  const record = new Uint8Array(FRAME_BYTES + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** CRC-32C (Castagnoli), reflected. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc;
});

/** The CRC-32C of some bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** As records have it, so that the checksum of data that holds checksums says something. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0;
}
