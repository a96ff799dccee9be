/** out (H/p · W/p, C · p · p) from pixels (C, H, W): patches row by row, each in the order of a Conv2d weight. */
export function patchify(pixels: usize, out: usize, channels: i32, height: i32, width: i32, patch: i32): void {
  const run = <usize>patch << 2;
  for (let y = 0; y < height; y += patch) {
    for (let x = 0; x < width; x += patch) {
      for (let c = 0; c < channels; c++) {
        for (let row = y; row < y + patch; row++) {
          memory.copy(out, pixels + (<usize>((c * height + row) * width + x) << 2), run);
          out += run;
        }
      }
    }
  }
}
