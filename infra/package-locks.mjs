// Makes dist/packages/SET/: for each set of packages that Slim brings on first use, a package.json and the part of
// package-lock.json that it needs, so that what comes is, hash for hash, what the tests ran with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The sets of cli/setup/packages.ts, which a test holds to this. */
export const PACKAGE_SETS = {
  onnxruntime: ['onnxruntime-node'],
  tfjs: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
};

/** Writes them; package-lock.json is this project's own. */
export function writePackageLocks() {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  for (const [set, names] of Object.entries(PACKAGE_SETS)) {
    const name = `slim-${set}`;
    const dependencies = Object.fromEntries(names.map((name) => [name, packages[`node_modules/${name}`].version]));
    const lock = {
      name,
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name, dependencies }, ...lockedFor(names, packages) },
    };
    mkdirSync(`dist/packages/${set}`, { recursive: true });
    writeJson(`dist/packages/${set}/package.json`, { name, private: true, dependencies });
    writeJson(`dist/packages/${set}/package-lock.json`, lock);
  }
}

/** The lock's entries of these packages and all that they depend on, where npm has put them. */
function lockedFor(names, packages) {
  const found = new Map();
  const visit = (place) => {
    if (found.has(place)) return;
    // Whether a package is for development, or a peer, is a question of who asks.
    const { dev, peer, devOptional, ...entry } = packages[place];
    found.set(place, entry);
    for (const name of Object.keys(entry.dependencies ?? {})) visit(placeOf(name, place, packages));
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const optional = placeOf(name, place, packages);
      if (optional !== null) visit(optional);
    }
  };
  for (const name of names) visit(`node_modules/${name}`);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where a package finds another: in its own node_modules, or in one above. */
function placeOf(name, from, packages) {
  for (let place = from; ; place = place.slice(0, place.lastIndexOf('node_modules/')).replace(/\/$/, '')) {
    const candidate = `${place === '' ? '' : `${place}/`}node_modules/${name}`;
    if (candidate in packages) return candidate;
    if (place === '') return null;
  }
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
