/**
 * `slim-transformer/decoders`: JPEG, PNG and WebP files to pixels, on hosts without native codecs. The codecs' modules
 * are `slim-transformer/codec-jpeg.wasm`, `codec-png.wasm` and `codec-webp.wasm`.
 */
export {
  type DecodedPixels,
  type Decoder,
  type Decoders,
  decodePicture,
  defaultPictureLimits,
  type PictureLimits,
} from '../../runtime/preprocess/decode.ts';
export { isPreprocessError, type PreprocessError, type PreprocessErrorCode } from '../../runtime/preprocess/error.ts';
export { type CodecModules, jsquashDecoders } from '../../runtime/preprocess/jsquash-decoders.ts';
export type { Picture } from '../../runtime/preprocess/picture.ts';
