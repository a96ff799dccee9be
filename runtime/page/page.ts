/** The page at `/`: tells which model this is, and sends it what visitors give. */
import type { ModelInfo } from '../http/classifier.ts';
import { Failure, fetchModel, hasToken, predict, useToken } from './client.ts';
import { startCopying } from './copy.ts';
import { element, part } from './dom.ts';
import { explain, type InputName, isPassing } from './explain.ts';
import { metric } from './format.ts';
import { showModelCard } from './model-card.ts';
import { hideNotice, placeNoticeAbove, showNotice } from './notice.ts';
import { showPicture, startPictureInput } from './picture-input.ts';
import { curlCommand, type PredictRequest, pictureRequest, textRequest } from './predict-request.ts';
import { predictionList } from './prediction-list.ts';
import { startTextInput, writtenText } from './text-input.ts';

const TOP_KS = [1, 3, 5, 10, 20];
const DEFAULT_TOP_K = 5;

/** What a server takes unless it is told otherwise. */
const LARGE_BYTES = 4 * 1024 ** 2;

const result = part('result', HTMLElement);
const topK = part('top-k', HTMLSelectElement);

let input: InputName = 'input';
let problemType: ModelInfo['problemType'] = 'single_label_classification';
/** What the example shows, and what was sent last. */
let shown: PredictRequest = pictureRequest(new File([], 'picture.jpg', { type: 'image/jpeg' }));
let sent: PredictRequest | null = null;
let pending = new AbortController();

void start();

async function start(): Promise<void> {
  hideNotice();
  let model: ModelInfo;
  try {
    model = await fetchModel();
  } catch (error) {
    return tell(error, () => void start());
  }
  showModelCard(model);
  problemType = model.problemType;
  fillTopK(model.labels.length);
  if (model.task === 'image-classification') {
    input = 'picture';
    startPictureInput(givePicture);
  } else {
    input = 'text';
    startTextInput(
      () => void classify(requestOfText()),
      () => showCurl(requestOfText()),
    );
    shown = requestOfText();
  }
  showCurl(shown);
  placeNoticeAbove(result);
  part('try', HTMLElement).hidden = false;
}

function givePicture(file: File): void {
  const [type] = file.type.split('/');
  if (type !== 'image' && type !== '') return showNotice(`${file.name} is no picture. Give a JPEG, PNG or WebP.`, null);
  const request = pictureRequest(file);
  showPicture(file);
  showCurl(request);
  if (file.size <= LARGE_BYTES) return void classify(request);
  pending.abort();
  sent = null;
  forget();
  showNotice(
    `This picture has ${metric(file.size, 'B')}. Servers take about 4\u00a0MB unless they are told otherwise: ` +
      'a smaller picture does as well.',
    {
      kind: 'button',
      label: 'Send it anyway',
      run: () => void classify(request),
    },
  );
}

function requestOfText(): PredictRequest {
  const { text, pair } = writtenText();
  return textRequest(text, pair);
}

/** Asks the server; an answer to an earlier request is no longer waited for. */
async function classify(request: PredictRequest): Promise<void> {
  pending.abort();
  const { signal } = (pending = new AbortController());
  sent = request;
  hideNotice();
  result.setAttribute('aria-busy', 'true');
  const began = performance.now();
  try {
    const answer = await predict(request, Number(topK.value), signal);
    result.replaceChildren(...predictionList(answer, performance.now() - began, problemType));
    result.scrollIntoView({ block: 'nearest' }); // on a phone it lies below the picture
  } catch (error) {
    if (signal.aborted) return;
    forget();
    tell(error, () => void classify(request));
  }
  result.setAttribute('aria-busy', 'false');
}

/** An answer that is not this input's must not stand beside it. */
function forget(): void {
  result.replaceChildren();
  result.setAttribute('aria-busy', 'false');
}

function tell(error: unknown, again: () => void): void {
  if (!(error instanceof Failure)) throw error;
  const withToken = (token: string): void => {
    useToken(token);
    showCurl(shown);
    again();
  };
  const asksToken = error.status === 401 || error.status === 403;
  showNotice(
    explain(error, input),
    asksToken
      ? { kind: 'token', run: withToken }
      : isPassing(error)
        ? { kind: 'button', label: 'Try again', run: again }
        : null,
  );
}

function fillTopK(labels: number): void {
  const most = TOP_KS.at(-1)!;
  const choices = [...TOP_KS.filter((k) => k < Math.min(labels, most)), Math.min(labels, most)];
  topK.replaceChildren(...choices.map((k) => element('option', '', String(k))));
  topK.value = String(Math.min(labels, problemType === 'multi_label_classification' ? most : DEFAULT_TOP_K));
  // Numbers are told all.
  part('top-k-choice', HTMLElement).hidden = problemType === 'regression';
  topK.addEventListener('change', () => {
    showCurl(shown);
    if (sent) void classify(sent);
  });
}

function showCurl(request: PredictRequest): void {
  shown = request;
  const address = new URL(`v1/predict?top_k=${topK.value}`, document.baseURI).href;
  part('curl', HTMLElement).textContent = curlCommand(request, address, hasToken());
}

startCopying();
