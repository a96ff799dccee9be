/** Routes and refusals that no model changes. */
import { expect } from 'vitest';
import type { ModelInfo } from '../../../runtime/http/classifier.ts';
import { type HttpCase, problem } from './case.ts';

const json = { 'content-type': 'application/json' };
/** On every answer. */
const SAFE = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

const openApi = {
  openapi: '3.1.0',
  info: expect.objectContaining({ version: '1.0.0' }) as object,
  paths: expect.any(Object) as object,
  components: expect.any(Object) as object,
};

/** `headers` give access where a token is asked for. */
export function commonCases(info: ModelInfo, headers: Readonly<Record<string, string>>): HttpCase[] {
  const get =
    (more: Readonly<Record<string, string>> = {}) =>
    () => ({ headers: { ...headers, ...more } });
  const head = () => ({ method: 'HEAD', headers });
  const page = {
    'content-type': expect.stringMatching(/^text\/html; charset=utf-8$/i) as string,
    'content-security-policy': expect.stringMatching(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; .*frame-ancestors 'none'$/,
    ) as string,
  };
  const metrics = { 'content-type': expect.stringMatching(/^text\/plain/) as string };
  return [
    {
      name: 'GET /healthz',
      path: '/healthz',
      expected: { status: 200, headers: { ...json, ...SAFE }, body: { status: 'ok' } },
    },
    { name: 'GET /readyz', path: '/readyz', expected: { status: 200, headers: json, body: { status: 'ready' } } },
    {
      name: 'GET /v1/model',
      path: '/v1/model',
      request: get(),
      expected: { status: 200, headers: { ...json, ...SAFE }, body: info },
    },
    { name: 'GET /openapi.json', path: '/openapi.json', expected: { status: 200, headers: json, body: openApi } },
    {
      name: 'GET /metrics',
      path: '/metrics',
      request: get(),
      expected: {
        status: 200,
        headers: metrics,
        body: expect.stringMatching(/^slim_requests_total\{route="\/healthz",status="200"\} [1-9]\d*$/m),
      },
    },
    {
      name: 'GET /',
      path: '/',
      expected: { status: 200, headers: { ...page, ...SAFE }, body: expect.stringContaining('<!doctype html>') },
    },
    { name: 'HEAD /healthz', path: '/healthz', request: head, expected: { status: 200, headers: json, body: '' } },
    { name: 'HEAD /readyz', path: '/readyz', request: head, expected: { status: 200, headers: json, body: '' } },
    { name: 'HEAD /v1/model', path: '/v1/model', request: head, expected: { status: 200, headers: json, body: '' } },
    {
      name: 'HEAD /openapi.json',
      path: '/openapi.json',
      request: head,
      expected: { status: 200, headers: json, body: '' },
    },
    { name: 'HEAD /metrics', path: '/metrics', request: head, expected: { status: 200, headers: metrics, body: '' } },
    { name: 'HEAD /', path: '/', request: head, expected: { status: 200, headers: page, body: '' } },

    {
      name: 'an unknown path',
      path: '/v2/predict',
      expected: problem(404, 'there is no /v2/predict', { headers: SAFE }),
    },
    {
      name: 'a route with a slash too many',
      path: '/v1/predict/',
      request: get(),
      expected: problem(404, 'there is no /v1/predict/'),
    },
    {
      name: 'GET where POST is meant',
      path: '/v1/predict',
      request: get(),
      expected: problem(405, 'expected POST, got GET', { headers: { allow: 'POST' } }),
    },
    {
      name: 'DELETE of a route',
      path: '/healthz',
      request: () => ({ method: 'DELETE' }),
      expected: problem(405, 'expected GET, HEAD, got DELETE', { headers: { allow: 'GET, HEAD' } }),
    },
    {
      name: 'PUT of the page',
      path: '/',
      request: () => ({ method: 'PUT', body: 'x', headers }),
      expected: problem(405, 'got PUT', { headers: { allow: 'GET, HEAD, POST' } }),
    },

    {
      name: 'a request id of its own',
      path: '/healthz',
      request: get({ 'x-request-id': 'request-42_a=' }),
      expected: { status: 200, headers: { 'x-request-id': 'request-42_a=' } },
    },
    {
      name: 'a request id in a problem',
      path: '/nowhere',
      request: get({ 'x-request-id': 'request-43' }),
      expected: problem(404, 'there is no /nowhere', { headers: { 'x-request-id': 'request-43' } }),
    },
    {
      name: 'a request id that is none',
      path: '/healthz',
      request: get({ 'x-request-id': '<script>alert(1)</script>' }),
      expected: { status: 200, headers: { 'x-request-id': expect.not.stringContaining('<') } },
    },
  ];
}
