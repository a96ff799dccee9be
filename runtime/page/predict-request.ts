/** A request to `POST /v1/predict`: what the page sends, and the same as a command line. */
export interface PredictRequest {
  readonly contentType: string;
  readonly body: Blob | string;
  /** How curl is given the body. */
  readonly curlData: string;
}

/** A picture as it is, in its own type. */
export function pictureRequest(file: File): PredictRequest {
  return {
    contentType: file.type || 'application/octet-stream',
    body: file,
    curlData: `--data-binary ${quote(`@${file.name}`)}`,
  };
}

/** A text, or two of which the model tells how they relate. */
export function textRequest(text: string, pair: string | null): PredictRequest {
  const body = JSON.stringify({ inputs: pair === null ? text : { text, text_pair: pair } });
  return { contentType: 'application/json', body, curlData: `-d ${quote(body)}` };
}

/** For a POSIX shell. A token is named, not shown: examples get around. */
export function curlCommand({ contentType, curlData }: PredictRequest, address: string, withToken: boolean): string {
  const authorization = withToken ? ['-H "authorization: Bearer $TOKEN"'] : [];
  return [`curl ${quote(address)}`, ...authorization, `-H ${quote(`content-type: ${contentType}`)}`, curlData].join(
    ' \\\n  ',
  );
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
