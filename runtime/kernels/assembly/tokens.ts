import { add } from './add';

/** out (patchCount + 1, columns) = [cls; patches] + position. */
export function tokens(patches: usize, cls: usize, position: usize, out: usize, patchCount: i32, columns: i32): void {
  const row = <usize>columns << 2;
  add(cls, position, out, columns);
  add(patches, position + row, out + row, patchCount * columns);
}
