// Node, Bun and Deno: the request on stdin, the answer on stdout, the kernels beside this file.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { answer, type HostRequest } from './program.ts';

const request = JSON.parse(await text(process.stdin)) as HostRequest;
const result = await answer(request, async (build) =>
  WebAssembly.compile(await readFile(new URL(`${build}.wasm`, import.meta.url))),
);
process.stdout.write(JSON.stringify(result));
