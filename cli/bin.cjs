#!/usr/bin/env node
// The command `slim`: says in one sentence why it can't start, where it can't. In JavaScript that every Node reads, and
// without a build: both may be what is missing.
const { existsSync } = require('node:fs');
const { availableParallelism, cpus } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

// Pictures are decoded on the threads of Node's pool, which are four unless it is told before they start; and they
// start with the first ES module that is read: hence CommonJS.
if (!/^[1-9]\d*$/.test(process.env.UV_THREADPOOL_SIZE || ''))
  process.env.UV_THREADPOOL_SIZE = String(Math.max(4, availableParallelism ? availableParallelism() : cpus().length));

const { engines } = require('../package.json');
const [needed] = /[\d.]+/.exec(engines.node);
const built = join(__dirname, '../dist/slim.mjs');

if (isOlder(process.versions.node, needed)) {
  refuse(
    `Node ${process.versions.node} is too old: slim needs ${needed} or later`,
    'Install a current one from https://nodejs.org, or with nvm, fnm or volta.',
  );
} else if (!existsSync(built)) {
  refuse(`${built} is missing: this copy of slim was never built`, 'Run npm ci && npm run build in its folder.');
} else {
  import(pathToFileURL(built).href).catch((error) => {
    // Packages, or pieces of the build, that are not there; what slim itself throws is told by slim.
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    refuse(error.message.split('\n')[0], 'Install slim again; in its repository run npm ci && npm run build.');
  });
}

/** Compares versions number by number. */
function isOlder(version, least) {
  const [numbers, leastNumbers] = [version, least].map((text) => text.split('.').map(Number));
  const differing = leastNumbers.findIndex((number, i) => number !== numbers[i]);
  return differing >= 0 && numbers[differing] < leastNumbers[differing];
}

function refuse(problem, hint) {
  process.stderr.write(`error: ${problem}\nhint: ${hint}\n`);
  process.exitCode = 1;
}
