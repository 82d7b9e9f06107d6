const maxCharacters = 255; // the limit of file systems; in UTF-16 code units, the stricter count

// Cc and Cf: control characters, and the invisible ones that turn "gpj.exe" around or hide text (bidi marks, tags, BOM), less the two
// joiners, which Persian and emoji names need. Zl and Zp break lines in a log or a chat; Cs is half a character.
const unwanted = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu;

/**
 * A file name that is safe to show and to save under: the part after the last separator, as RFC 6266 4.3 asks, without control
 * and direction characters, at most 255 characters.
 *
 * @returns null if nothing is left, or only `.` or `..`
 */
export function cleanFilename(name: string): string | null {
  const last = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  const clean = last
    .replace(unwanted, "")
    .trim()
    .slice(0, maxCharacters)
    .replace(/\p{Cs}$/u, "")
    .trimEnd();
  return clean === "" || clean === "." || clean === ".." ? null : clean;
}

/** Returns the name in the URL's last path segment; if its percent-encoding is broken, the segment as it is. */
export function filenameOfUrl(url: URL): string | null {
  const segment = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  try {
    return cleanFilename(decodeURIComponent(segment));
  } catch {
    return cleanFilename(segment);
  }
}
