// Labels, columns and names come from files of strangers: they may not move a terminal's cursor or set its title.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** A text that a terminal shows and does not obey. */
export function printable(text: string): string {
  return text.replace(CONTROLS, '\uFFFD');
}
