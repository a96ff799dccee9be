/**
 * SentencePiece's precompiled rules of normalization: a double-array trie of what is replaced (Darts), and the
 * replacements, one after the other. Which rule goes first is the library's (spm_precompiled), odd as it is: a short
 * cluster of characters becomes the replacement of the shortest rule that it begins with.
 */
import { mismatch } from '../artifact/schema.ts';

/** Clusters of more bytes are looked up character by character. */
const CLUSTER_BYTES = 6;

/** The rules of a `precompiled_charsmap` in base64. @throws Mismatch where it is none */
export function createPrecompiled(base64: string): (text: string) => string {
  if (base64 === '') return (text) => text;
  const bytes = bytesOf(base64);
  const view = new DataView(bytes.buffer);
  const trieBytes = bytes.length >= 4 ? view.getUint32(0, true) : 0;
  if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length)
    throw mismatch(CHARSMAP, 'a trie and its replacements', `${bytes.length} bytes`);
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + trieBytes);
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
  const clusters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  /** By character, as texts are made of few. */
  const known = new Map<string, string | null>();

  function replacementOf(part: string): string | null {
    let found = known.get(part);
    if (found === undefined) {
      const at = firstMatch(units, encoder.encode(part));
      found = at === null ? null : decoder.decode(replacements.subarray(at, endOf(replacements, at)));
      if (known.size < MOST_KNOWN) known.set(part, found);
    }
    return found;
  }

  const perCharacter = (text: string): string => Array.from(text, (one) => replacementOf(one) ?? one).join('');

  return (text) => {
    if (/^[ -~]*$/.test(text)) return perCharacter(text);
    let result = '';
    for (const { segment } of clusters.segment(text)) {
      const whole = encoder.encode(segment).length < CLUSTER_BYTES ? replacementOf(segment) : null;
      result += whole ?? perCharacter(segment);
    }
    return result;
  };
}

const CHARSMAP = 'tokenizer.normalizer.precompiled_charsmap';
const MOST_KNOWN = 2 ** 14;

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  } catch {
    throw mismatch(CHARSMAP, 'base64', base64);
  }
}

/** Where the replacement lies of the shortest key that these bytes begin with; null where there is none. */
function firstMatch(units: Uint32Array, key: Uint8Array): number | null {
  let at = offsetOf(units[0]);
  for (const byte of key) {
    if (byte === 0) return null;
    at ^= byte;
    const unit = units[at];
    if (unit === undefined || (unit & 0x8000_00ff) !== byte) return null;
    at ^= offsetOf(unit);
    if ((unit >>> 8) & 1) return at < units.length ? units[at] & 0x7fff_ffff : null;
  }
  return null;
}

/** Darts-clone: where a unit's children lie, from its own place. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

function endOf(bytes: Uint8Array, start: number): number {
  const end = bytes.indexOf(0, start);
  return end === -1 ? bytes.length : end;
}
