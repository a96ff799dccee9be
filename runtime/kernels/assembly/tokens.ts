import { addRow } from './rows';

/**
 * out (rows, columns) = [cls; patches] + position. position (rows, columns) is f32, or int8 where positionScales (rows) is not 0.
 */
export function tokens(
  patches: usize, cls: usize, position: usize, positionScales: usize, out: usize, rows: i32, columns: i32,
): void {
  const row = <usize>columns << 2;
  memory.copy(out, cls, row);
  memory.copy(out + row, patches, <usize>(rows - 1) * row);
  for (let i = 0; i < rows; i++) addRow(out + <usize>i * row, position, positionScales, i, columns);
}

/**
 * out (tokens, columns) = word[ids] + position + type[types]. Each table is f32, or int8 with a scale a row. What lies beyond a table
 * is its last row: no id reads outside.
 */
export function textEmbedding(
  ids: usize, types: usize, word: usize, wordScales: usize, position: usize, positionScales: usize, type: usize, typeScales: usize,
  out: usize, tokens: i32, columns: i32, words: i32, positions: i32,
  kinds: i32,
): void {
  const row = <usize>columns << 2;
  memory.fill(out, 0, <usize>tokens * row);
  for (let i = 0; i < tokens; i++, out += row) {
    addRow(out, word, wordScales, within(ids, i, words), columns);
    addRow(out, position, positionScales, min(i, positions - 1), columns);
    addRow(out, type, typeScales, within(types, i, kinds), columns);
  }
}

function within(indices: usize, i: i32, count: i32): i32 {
  return <i32>min(load<u32>(indices + (<usize>i << 2)), <u32>(count - 1));
}
