/** `GET /openapi.json`: the API of this very model, in OpenAPI 3.1. */
import { PROBLEM_TYPES, PROBLEMS } from '../artifact/problem-type.ts';
import type { Classifier, ModelInfo } from './classifier.ts';
import { defaultTopK, MAX_INPUTS, MAX_TOP_K } from './predict-request.ts';

/** Of the paths under /v1 and their bodies. */
const API_VERSION = '1.0.0';

/** What of the API is the operator's choice. */
export interface ApiFacts {
  readonly maxBodyBytes: number;
  readonly needsToken: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const jsonOf = (schema: Json): Json => ({ 'application/json': { schema } });
const answered = (description: string, content: Json): Json => ({ 200: { description, content } });
const list = (items: Json, more: Json = {}): Json => ({ type: 'array', items, ...more });

/** The description of what `createApp` answers for this model, as a JSON object. */
export function openApi<Input>({ info }: Classifier<Input>, { maxBodyBytes, needsToken }: ApiFacts): Json {
  const isText = info.task === 'text-classification';
  const topK = { type: 'integer', minimum: 1, maximum: MAX_TOP_K, default: defaultTopK(info) };
  const told = TOLD[info.problemType];
  const security = needsToken ? [{ token: [] }] : [];
  const refused = (...statuses: readonly number[]): Json =>
    Object.fromEntries(
      [...statuses, ...(needsToken ? [401, 403] : [])].map((status) => [
        status,
        { $ref: '#/components/responses/Problem' },
      ]),
    );
  const asking = (operationId: string, summary: string, answer: Json): Json => ({
    operationId,
    summary,
    security,
    parameters: [
      { name: 'top_k', in: 'query', description: 'How many labels; goes before the one in the body.', schema: topK },
      {
        name: 'Content-Encoding',
        in: 'header',
        description: 'What the body is packed with; others, such as br, where the host has them.',
        schema: { enum: ['identity', 'gzip', 'deflate'] },
      },
    ],
    requestBody: {
      required: true,
      description: `At most ${maxBodyBytes} bytes, packed and unpacked.`,
      content: isText ? textBody(info, topK) : pictureBody(info, topK),
    },
    responses: {
      ...answered(`${told.answer}.`, jsonOf(answer)),
      ...refused(400, 413, 415, 422, 429, 500, 503, 504),
    },
  });
  const telling = (
    operationId: string,
    summary: string,
    content: Json,
    problems: readonly number[] = [],
    isGuarded = false,
  ): Json => ({
    get: {
      operationId,
      summary,
      security: isGuarded ? security : [],
      responses: {
        ...answered(summary, content),
        ...(isGuarded
          ? refused(...problems)
          : Object.fromEntries(problems.map((status) => [status, { $ref: '#/components/responses/Problem' }]))),
      },
    },
  });
  return {
    openapi: '3.1.0',
    info: {
      title: `${info.name}: ${info.task}`,
      version: API_VERSION,
      description: told.summary(info.labels.length),
    },
    paths: {
      '/v1/predict': {
        post: asking('predict', `${told.verb} ${isText ? 'texts' : 'pictures'}`, {
          oneOf: [ref('Answer'), ref('Answers')],
        }),
      },
      '/': {
        post: asking('inference', "The same, answered as Hugging Face's Inference API", {
          oneOf: [ref('Predictions'), list(ref('Predictions'))],
        }),
      },
      '/v1/model': telling('model', 'What the model is', jsonOf(ref('Model')), [429, 503], true),
      '/healthz': telling('health', 'Whether the server runs', jsonOf(ref('Status'))),
      '/readyz': telling('readiness', 'Whether the model is loaded', jsonOf(ref('Status')), [503]),
      '/metrics': telling(
        'metrics',
        "Counts, in Prometheus' text format",
        { 'text/plain': { schema: { type: 'string' } } },
        [],
        true,
      ),
    },
    components: {
      securitySchemes: needsToken ? { token: { type: 'http', scheme: 'bearer' } } : {},
      responses: {
        Problem: {
          description: 'Why not (RFC 9457).',
          content: { 'application/problem+json': { schema: ref('Problem') } },
        },
      },
      schemas: { ...schemas, ...predictionSchemas(info) },
    },
  };
}

/** What the answers of a problem type are, in words. */
const TOLD = {
  single_label_classification: {
    verb: 'Classify',
    answer: 'The likeliest labels, best first',
    summary: (labels: number) => `Answers with the likeliest of ${labels} labels.`,
  },
  multi_label_classification: {
    verb: 'Label',
    answer: 'The labels, likeliest first, each with a likelihood of its own',
    summary: (labels: number) => `Answers how likely each of ${labels} labels is.`,
  },
  regression: {
    verb: 'Rate',
    answer: "The numbers, in the labels' order, whatever top_k is",
    summary: (labels: number) => (labels === 1 ? 'Answers with a number.' : `Answers with ${labels} numbers.`),
  },
} as const;

const inputsBody = ({ problemType }: ModelInfo, topK: Json, input: Json): Json =>
  jsonOf({
    type: 'object',
    required: ['inputs'],
    properties: {
      inputs: { oneOf: [input, list(input, { minItems: 1, maxItems: MAX_INPUTS })] },
      parameters: {
        type: 'object',
        properties: { top_k: topK, function_to_apply: { const: PROBLEMS[problemType].scores } },
        additionalProperties: false,
      },
      options: { type: 'object', description: "Of Hugging Face's clients; ignored." },
    },
    additionalProperties: false,
  });

const formBody = (topK: Json, fields: Json): Json => ({
  'multipart/form-data': { schema: { type: 'object', properties: { ...fields, top_k: topK } } },
});
const text = { type: 'string' };
const pair = {
  type: 'object',
  required: ['text'],
  properties: { text, text_pair: { type: ['string', 'null'] } },
  additionalProperties: false,
};
const textBody = (info: ModelInfo, topK: Json): Json => ({
  ...inputsBody(info, topK, { oneOf: [text, pair] }),
  ...formBody(topK, { inputs: text, text, text_pair: text }),
  'text/plain': { schema: text },
});
const base64 = { type: 'string', contentEncoding: 'base64', description: 'JPEG, PNG or WebP; a data URL, too.' };
const pictureBody = (info: ModelInfo, topK: Json): Json => ({
  ...inputsBody(info, topK, base64),
  ...formBody(topK, { inputs: { type: 'string', contentMediaType: 'application/octet-stream' } }),
  'image/*': {},
  'application/octet-stream': {},
});

const count = { type: 'integer', minimum: 0 };
const share = { type: 'number', minimum: 0, maximum: 1 };
const scoreSchema = ({ problemType }: ModelInfo): Json => (problemType === 'regression' ? { type: 'number' } : share);
const answer = {
  predictions: ref('Predictions'),
  truncated: { const: true, description: 'The end of the text was cut off.' },
};

const predictionSchemas = (info: ModelInfo): Json => ({
  Predictions: list({
    type: 'object',
    required: ['label', 'score'],
    properties: { label: text, score: scoreSchema(info) },
  }),
});

const schemas = {
  Answer: {
    type: 'object',
    required: ['predictions', 'latencyMs'],
    properties: { ...answer, latencyMs: { type: 'number' } },
  },
  Answers: {
    type: 'object',
    required: ['results', 'latencyMs'],
    properties: {
      results: list({ type: 'object', required: ['predictions'], properties: answer }),
      latencyMs: { type: 'number' },
    },
  },
  Status: { type: 'object', required: ['status'], properties: { status: text } },
  Model: {
    type: 'object',
    required: [
      'name',
      'task',
      'architecture',
      'labels',
      'problemType',
      'precision',
      'rank',
      'parameters',
      'macs',
      'teacher',
      'accuracy',
      'bytes',
      'digest',
      'preprocessing',
    ],
    properties: {
      name: text,
      task: { enum: ['image-classification', 'text-classification'] },
      architecture: text,
      labels: list(text),
      problemType: { enum: PROBLEM_TYPES },
      precision: { enum: ['int4', 'int8', 'f32'] },
      rank: { type: ['integer', 'null'] },
      parameters: count,
      macs: count,
      teacher: {
        type: ['object', 'null'],
        required: ['parameters', 'macs'],
        properties: { parameters: count, macs: count },
      },
      accuracy: list({
        type: 'object',
        required: ['stage', 'samples'],
        properties: {
          stage: text,
          [PROBLEMS.single_label_classification.metric]: share,
          [PROBLEMS.multi_label_classification.metric]: share,
          [PROBLEMS.regression.metric]: { type: ['number', 'null'], minimum: -1, maximum: 1 },
          samples: count,
        },
      }),
      bytes: count,
      digest: text,
      preprocessing: { type: 'object' },
    },
  },
  Problem: {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'error'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      error: { type: 'string', description: "The detail once more, for Hugging Face's clients." },
      code: text,
      requestId: text,
    },
  },
};
