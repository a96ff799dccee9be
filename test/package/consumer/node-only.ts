/** A Node program that knows nothing of browsers: its types have no DOM. */
import { loadClassifier, type NodeClassifier } from 'slim-transformer/node';

export async function labelOf(file: string, text: string): Promise<string> {
  const classifier: NodeClassifier = await loadClassifier(file, { workers: 0 });
  const { predictions } = await classifier.classify({ text, pair: null }, 1);
  return predictions[0].label;
}
