/**
 * Text from outside (ids, addresses, payloads, messages of other programs) as it may be shown on a terminal: whatever
 * a terminal would obey instead of show is written out. Covers C0 and C1 controls, DEL, and the bidirectional and
 * invisible characters that make a line read differently from what it says.
 */
export function printable(text: string): string {
  return text.replace(OBEYED, (character) => {
    return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
