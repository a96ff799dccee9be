/** Small things under the names that the documentation has for a reader's own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { random } from '../../runtime/random.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { grey, review, writePictures, writeTinyBert, writeTinyModel } from '../support/cli.ts';

const BREEDS = ['beagle', 'pug', 'siamese'];
const COMMIT = 'd'.repeat(40);

/** Writes one into the folder where the commands run, or into `home`, where Hugging Face's cache is. */
type Write = (folder: string, home: string) => Promise<unknown>;

/** By name. Who adds one to the documentation adds it here. */
const STAND_INS: Readonly<Record<string, Write>> = {
  'pets/': (folder) => writePictures(join(folder, 'pets'), { labels: BREEDS, train: 24, val: 8 }),
  'vit-base-patch16-224/': (folder) =>
    writeTinyModel(join(folder, 'vit-base-patch16-224'), ['a', 'b'], { pixels: 32, width: 128 }),
  'rex.jpg': async (folder) =>
    sharp(await grey(120, random(1)))
      .jpeg()
      .toFile(join(folder, 'rex.jpg')),
  'pets.slim': (folder) => writePictureArtifact(folder, 'low-rank', 'pets.slim'),
  'pets2.slim': (folder) => writePictureArtifact(folder, 'dense', 'pets2.slim'),
  'demo.slim': (folder) => writePictureArtifact(folder, 'low-rank', 'demo.slim'),
  'reviews.slim': (folder) => writeTextArtifact(folder, 'reviews.slim'),
  'reviews.csv': async (folder) => {
    const rows = reviews().map(({ text, label }) => `"${text}",${label}`);
    writeFileSync(join(folder, 'reviews.csv'), `text,label\n${rows.join('\n')}\n`);
  },
  'google-bert/bert-base-uncased': async (_, home) => {
    const repository = join(home, 'hub', 'models--google-bert--bert-base-uncased');
    await writeTinyBert(
      join(repository, 'snapshots', COMMIT),
      reviews().map(({ text }) => text),
    );
    mkdirSync(join(repository, 'refs'));
    writeFileSync(join(repository, 'refs', 'main'), COMMIT);
  },
};

/** Writes those that the commands name and don't make themselves. */
export async function writeStandIns(commands: string, folder: string, home: string): Promise<void> {
  for (const [name, write] of Object.entries(STAND_INS)) {
    const named = new RegExp(`(?<![\\w./-])@?${escaped(name)}(?![\\w-])`);
    const made = new RegExp(`--(?:out|emit)[ =]${escaped(name)}(?![\\w-])`);
    if (named.test(commands) && !made.test(commands)) await write(folder, home);
  }
}

const escaped = (name: string): string => name.replace(/[.]/g, '\\$&');

/** Each with two years, so that there are more words than an embedding of rank 64 needs to pay off. */
function reviews(): { text: string; label: string }[] {
  const source = random(5);
  return Array.from({ length: 120 }, (_, i) => ({
    text: `${review(i % 2, source)} Seen in ${1900 + (i % 60)} and ${1960 + (i % 60)}.`,
    label: ['negative', 'positive'][i % 2],
  }));
}
