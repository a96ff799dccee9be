/** Pictures: chosen, photographed, dropped anywhere on the page, or pasted. */
import { part } from './dom.ts';
import { metric } from './format.ts';

const zone = part('drop-zone', HTMLElement);
const preview = part('preview', HTMLImageElement);
const fileName = part('file-name', HTMLElement);

/** Calls `onPicture` for every picture that is given. */
export function startPictureInput(onPicture: (file: File) => void): void {
  const take = (file: File | undefined): void => {
    if (file) onPicture(file);
  };
  for (const input of [part('file', HTMLInputElement), part('camera', HTMLInputElement)]) {
    input.addEventListener('change', () => {
      take(input.files?.[0]);
      input.value = ''; // the same file, chosen once more, is a change, too
    });
  }
  document.addEventListener('paste', ({ clipboardData }) => take(clipboardData?.files[0]));
  listenForDrops(take);
  part('picture-input', HTMLElement).hidden = false;
}

/** Beside the zone, too: a browser would leave the page and open the file. */
function listenForDrops(take: (file: File | undefined) => void): void {
  const holdsFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;
  const mark = (over: boolean): void => void zone.classList.toggle('over', over);
  document.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) mark(false); // out of the window
  });
  document.addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(false);
    take(event.dataTransfer?.files[0]);
  });
}

/** Shows the picture, where the browser can, and its name. */
export function showPicture(file: File): void {
  URL.revokeObjectURL(preview.src); // of the picture before
  preview.hidden = true;
  preview.onload = () => {
    preview.hidden = false;
  };
  preview.alt = `Your picture, ${file.name}`;
  preview.src = URL.createObjectURL(file);
  fileName.textContent = `${file.name} · ${metric(file.size, 'B')}`;
  fileName.hidden = false;
  part('choose', HTMLElement).textContent = 'Choose another';
  zone.classList.add('filled');
}
