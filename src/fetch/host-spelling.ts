import { domainToUnicode } from "node:url";

// A phone adds U+FE0F to a pictograph or a keycap so that it is shown in colour. UTS 46 ignores it.
const colourSelectors = /(?<=\p{Extended_Pictographic}\p{Emoji_Modifier}?)\ufe0f|(?<=\d)\ufe0f(?=\u20e3)/gu;

// U+200D joins pictographs to one picture ("woman" and "laptop"). Names of emoji are registered without it: transitional
// processing of UTS 46 ignores it. Node and Chromium have no transitional processing, and reject it.
const pictureJoiners = /(?<=\p{Extended_Pictographic}\p{Emoji_Modifier}?)\u200d(?=\p{Extended_Pictographic})/gu;

// The full stops of UTS 46 2.3 besides ".", from East Asian keyboards.
const otherDots = /[\u3002\uff0e\uff61]/g;

// Full-width letters, digits, "-" and "_", and half-width katakana. Not the full-width delimiters of URLs ("／", "＠", "：").
const otherWidths = /[\uff0d\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a\uff66-\uff9f]+/g;

/**
 * Replaces the characters in a host that phones and East Asian keyboards type for others, as UTS 46 maps them. All parsers
 * agree on them, unlike on other mappings: circled letters, ligatures, "ẞ".
 */
export function plainHost(written: string): string {
  return written
    .replace(colourSelectors, "")
    .replace(pictureJoiners, "")
    .replace(otherDots, ".")
    .replace(otherWidths, (text) => text.normalize("NFKC"));
}

// UTS 46 ignores most of these characters, so a host that looks the same would be another one.
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/u;
const joiners = /[\u200c\u200d]/g;

/** Checks for invisible characters; not for the joiners, which UTS 46 accepts in the words of some languages. */
export function hasInvisible(host: string): boolean {
  return invisible.test(host.replace(joiners, ""));
}

/** Checks for joiners, which are visible in some words: Node rejects all others (CONTEXTJ of RFC 5892). */
export function hasJoiner(host: string): boolean {
  return host.search(joiners) >= 0;
}

/** Checks for the plain spelling of a label: in lower or upper case, or the Unicode of a punycode label. */
export function isSpellingOf(label: string, written: string): boolean {
  const lower = lowerCase(written);
  return lower === label || (label.startsWith("xn--") && domainToUnicode(label) === lower.normalize("NFC"));
}

/** Lower-cases each character separately, like IDNA: on whole text, JavaScript writes a final sigma. */
function lowerCase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}
