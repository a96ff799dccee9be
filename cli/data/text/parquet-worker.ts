// Reads Parquet in a thread of its own, which can be ended: what a hostile file says of its pages may keep the reader busy for ever.
import { parentPort, workerData } from 'node:worker_threads';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type FileMetaData } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { messageOf } from '../../io/errors.ts';
import type { ParquetAnswer, ParquetGroup, ParquetRequest } from './parquet.ts';
import { decodeUtf8 } from './rows.ts';

const port = parentPort;
if (port === null) throw new Error('parquet-worker runs as a worker thread only');

/** Bytes that are no UTF-8 stay bytes, so that the row can be told. */
const parsers = { stringFromBytes: (bytes: Uint8Array | undefined): unknown => (bytes === undefined ? undefined : (decodeUtf8(bytes) ?? bytes)) };

const file = asyncBufferFromFile(workerData as string);
const metadata = file.then((buffer) => parquetMetadataAsync(buffer));

async function answer(request: ParquetRequest): Promise<ParquetAnswer> {
  const known = await metadata;
  if (request === 'description') {
    return { columns: columnsOf(known), groups: known.row_groups.map(groupOf), note: known.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? null };
  }
  const { rowStart, rowEnd, columns } = request;
  return { rows: await parquetReadObjects({ file: await file, metadata: known, columns: [...columns], rowStart, rowEnd, compressors, parsers }) };
}

function columnsOf({ schema: [root, ...elements] }: FileMetaData): readonly string[] {
  const names: string[] = [];
  for (let i = 0; i < elements.length && names.length < (root.num_children ?? 0); i = afterSubtree(elements, i)) names.push(elements[i].name);
  return names;
}

/** Where the element after this one and all that is nested in it stands. */
function afterSubtree(elements: FileMetaData['schema'], at: number): number {
  let next = at + 1;
  for (let children = elements[at].num_children ?? 0; children > 0 && next < elements.length; children--) next = afterSubtree(elements, next);
  return next;
}

function groupOf({ num_rows, columns }: FileMetaData['row_groups'][number]): ParquetGroup {
  const bytes: Record<string, number> = {};
  for (const { meta_data: data } of columns) {
    const [column] = data?.path_in_schema ?? [];
    if (data && column !== undefined) bytes[column] = (bytes[column] ?? 0) + Number(data.total_uncompressed_size);
  }
  return { rows: Number(num_rows), bytes };
}

port.on('message', async (request: ParquetRequest) => {
  try {
    port.postMessage(await answer(request));
  } catch (error) {
    port.postMessage({ failure: messageOf(error) } satisfies ParquetAnswer);
  }
});
