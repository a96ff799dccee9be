/** What an exported ONNX model stores its weights in. */

/** What --weights takes. */
export const ONNX_WEIGHTS = ['f32', 'int8'] as const;
/** One of them. */
export type OnnxWeights = (typeof ONNX_WEIGHTS)[number];
