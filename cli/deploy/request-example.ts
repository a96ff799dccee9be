import type { Manifest } from '../../runtime/artifact/manifest.ts';

/** A line that asks a model something. */
export function requestExample(url: string, task: Manifest['task']): string {
  return task === 'text-classification'
    ? `curl -H 'content-type: text/plain' -d 'A lovely, quiet film.' ${url}/v1/predict`
    : `curl -H 'content-type: image/jpeg' --data-binary @picture.jpg ${url}/v1/predict`;
}
