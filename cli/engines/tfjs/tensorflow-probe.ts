// A process of its own that has a TensorFlow multiply two matrices: `node tensorflow-probe.mjs cpu|gpu`. It writes one
// line, a ProbeReport, among whatever the libraries write.
import { messageOf, UserError } from '../../io/errors.ts';
import { BrokenTensorflow, findTensorflow, loadTensorflow, type TensorflowVariant, TFJS_NODE } from './tensorflow.ts';
import { type ProbeReport, reportLine } from './tensorflow-report.ts';

const variant = process.argv[2] as TensorflowVariant;
process.stdout.write(reportLine(await report()));

async function report(): Promise<ProbeReport> {
  try {
    const found = findTensorflow(variant);
    if (found === null) return { message: `${TFJS_NODE[variant]} is not here`, hint: '', isBroken: false };
    const { tf, description, usesGpu } = await loadTensorflow(found);
    const product = tf.matMul(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]), tf.tensor2d([7, 8, 9, 10, 11, 12], [3, 2]));
    return { description, usesGpu, product: [...(await product.data())] };
  } catch (error) {
    return {
      message: messageOf(error),
      hint: error instanceof UserError ? error.hint : '',
      isBroken: error instanceof BrokenTensorflow,
    };
  }
}
