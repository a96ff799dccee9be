// Makes dist/packages/SET/: for each set of packages that Slim brings on first use, a package.json and the part of
// package-lock.json that it needs, so that what comes is, hash for hash, what the tests ran with; and how many files
// and bytes that is, which tells whether all has come.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes them; package-lock.json is this project's own. */
export function writePackageLocks() {
  const { packages } = readJson('package-lock.json');
  for (const [set, { packages: names }] of Object.entries(readJson('cli/setup/package-sets.json'))) {
    const name = `slim-${set}`;
    const dependencies = Object.fromEntries(names.map((name) => [name, packages[`node_modules/${name}`].version]));
    const locked = lockedFor(names, packages);
    const lock = {
      name,
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name, dependencies }, ...locked },
    };
    mkdirSync(`dist/packages/${set}`, { recursive: true });
    writeJson(`dist/packages/${set}/package.json`, { name, private: true, dependencies });
    writeJson(`dist/packages/${set}/package-lock.json`, lock);
    writeJson(`dist/packages/${set}/content.json`, contentOf(Object.keys(locked)));
  }
}

/** Makes dist/tensorflow/: the lock of what `slim setup tensorflow` compiles, which is no dependency of this project. */
export function copyTensorflowLock() {
  mkdirSync('dist/tensorflow', { recursive: true });
  for (const name of ['package.json', 'package-lock.json'])
    copyFileSync(`cli/setup/tensorflow-packages/${name}`, `dist/tensorflow/${name}`);
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

/** The files in these packages' folders, and their bytes. A package within another has a place of its own. */
function contentOf(places) {
  const sizes = places.flatMap((place) =>
    readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !join(entry.parentPath, '/').includes('/node_modules/', place.length))
      .map(({ parentPath, name }) => statSync(join(parentPath, name)).size),
  );
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
