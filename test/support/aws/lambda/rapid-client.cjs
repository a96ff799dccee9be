// Stands in for rapid-client.node, the native half of Lambda's runtime client, which npm builds only where it may run install scripts: the same
// calls, over node:http. Loaded with --require into Node 24, where it takes the place of the file that is missing.
const http = require('node:http');
const { registerHooks } = require('node:module');
const { pathToFileURL } = require('node:url');

const hooks = registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier !== './rapid-client.node') return nextResolve(specifier, context);
    hooks.deregister();
    return { url: pathToFileURL(__filename).href, format: 'commonjs', shortCircuit: true };
  },
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body = '', headers = {}) {
  const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/${path}`;
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method, agent, headers: { 'content-length': Buffer.byteLength(body), ...headers } },
      (response) => {
        let bodyJson = '';
        response
          .setEncoding('utf8')
          .on('data', (text) => {
            bodyJson += text;
          })
          .on('end', () => resolve({ bodyJson, headers: response.headers }));
      },
    );
    request.on('error', reject).end(body);
  });
}

// The native calls return when the answer has been taken. These can't wait: the next request for work does.
let answered = Promise.resolve();

exports.initializeClient = () => undefined;
exports.next = () => answered.then(() => call('GET', 'next'));
exports.done = (id, body) => {
  answered = call('POST', `${id}/response`, body);
};
exports.error = (id, body) => {
  answered = call('POST', `${id}/error`, body, { 'lambda-runtime-function-error-type': JSON.parse(body).errorType });
};
