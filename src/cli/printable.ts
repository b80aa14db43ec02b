// Controls, format characters (bidirectional overrides, zero width), line separators, lone surrogates.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const HIDDEN_BUT_LAYOUT = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text from outside (ids, addresses, payloads, messages of other programs) as it may be shown on a terminal: whatever
 * a terminal would obey instead of show, and whatever makes a line read differently from what it says, is written out.
 */
export function printable(text: string): string {
  return text.replace(HIDDEN, (character) => SHORT[character] ?? escape16(character));
}

/** Whether `printable` would change it. */
export function hasHidden(text: string): boolean {
  return text.search(HIDDEN) !== -1;
}

/** The same for finished JSON: what it says stays what it is. Its own line feeds stay. */
export function printableJson(json: string): string {
  return json.replace(HIDDEN_BUT_LAYOUT, escape16);
}

/** The same for finished YAML in which every text that holds such a character stands in double quotes. */
export function printableYaml(yaml: string): string {
  return yaml.replace(
    HIDDEN_BUT_LAYOUT,
    (character) => `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`,
  );
}

/** Code units as \uXXXX. */
function escape16(character: string): string {
  let escaped = '';
  for (let at = 0; at < character.length; at += 1)
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  return escaped;
}
