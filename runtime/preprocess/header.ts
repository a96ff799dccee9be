/** The formats that are taken, told apart by their first bytes. */
export type PictureFormat = 'jpeg' | 'png' | 'webp';

/** The EXIF orientation: 1 is upright, 2 to 8 are mirrored or turned. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** What a file says of itself before it is decoded. */
export interface PictureHeader {
  readonly format: PictureFormat;
  /** Of the stored picture, before it is turned upright. */
  readonly width: number;
  readonly height: number;
  readonly orientation: Orientation;
  /** Whether the file goes on to its end marker. */
  readonly complete: boolean;
}
