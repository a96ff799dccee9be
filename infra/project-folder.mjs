// First of all: esbuild keeps the folder that it was loaded in.
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
