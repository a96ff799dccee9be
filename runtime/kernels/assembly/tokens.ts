import { addRow } from './rows';

/**
 * out (rows, columns) = [cls; patches] + position. position (rows, columns) is f32, or int8 where positionScales (rows)
 * is not 0.
 */
export function tokens(
  patches: usize, cls: usize, position: usize, positionScales: usize, out: usize, rows: i32, columns: i32,
): void {
  prefixTokens(patches, cls, position, positionScales, out, 1, rows, columns);
}

/** `tokens` with several rows before the patches: out (rows, columns) = [prefix; patches] + position. */
export function prefixTokens(
  patches: usize, prefix: usize, position: usize, positionScales: usize, out: usize,
  prefixRows: i32, rows: i32, columns: i32,
): void {
  const row = <usize>columns << 2;
  const before = <usize>prefixRows * row;
  memory.copy(out, prefix, before);
  memory.copy(out + before, patches, <usize>(rows - prefixRows) * row);
  for (let i = 0; i < rows; i++) addRow(out + <usize>i * row, position, positionScales, i, columns);
}

/**
 * out (rows, columns) = table[ids] + residual, of which ids and residual may be 0: then row i takes the table's row i,
 * and nothing is added. The table is f32, or int8 where scales (entries) is not 0. What lies beyond its entries is the
 * last of them: no id reads outside.
 */
export function embedding(
  ids: usize, table: usize, scales: usize, residual: usize, out: usize, rows: i32, columns: i32, entries: i32,
): void {
  const bytes = <usize>(rows * columns) << 2;
  if (residual) memory.copy(out, residual, bytes);
  else memory.fill(out, 0, bytes);
  for (let i = 0; i < rows; i++, out += <usize>columns << 2) {
    const id = ids ? load<u32>(ids + (<usize>i << 2)) : <u32>i;
    addRow(out, table, scales, <i32>min(id, <u32>(entries - 1)), columns);
  }
}
