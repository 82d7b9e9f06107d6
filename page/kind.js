import { warnings } from "./domain/metadata.js";

/** @typedef {import("./client/client.js").Metadata} Metadata */

/** Ids of the icons in index.html. @typedef {"picture" | "video" | "sound" | "document" | "archive" | "file"} Icon */

/** The first row that matches counts. @type {readonly (readonly [type: RegExp, icon: Icon, words: string])[]} */
const kinds = [
  [/^image\//, "picture", "Picture"],
  [/^video\/|^application\/vnd\.ms-asf$/, "video", "Video"],
  [/^audio\/|^application\/ogg$/, "sound", "Sound"],
  [/^application\/pdf$/, "document", "PDF document"],
  [/^text\/html$/, "document", "Web page"],
  [/^text\/calendar$/, "document", "Calendar"],
  [/^text\/vcard$/, "document", "Contact"],
  [/^text\/|[/+](json|xml)$/, "document", "Text"],
  [/^application\/(msword|rtf|x-cfb|vnd\.(ms-|oasis|openxmlformats))/, "document", "Document"],
  [/^application\/zip$/, "archive", "ZIP archive"],
  [/^application\/gzip$/, "archive", "gzip archive"],
  [/^application\/vnd\.rar$/, "archive", "RAR archive"],
  [/^application\/x-7z-compressed$/, "archive", "7-Zip archive"],
  [/^font\/|fontobject$/, "file", "Font"],
  [/^application\/octet-stream$/, "file", "File of unknown type"],
];

/**
 * Returns an icon and words for a media type.
 *
 * @param {string} type
 * @returns {{ icon: Icon; words: string }}
 */
export function kindOf(type) {
  const [, icon, words] = kinds.find(([pattern]) => pattern.test(type)) ?? [
    null,
    /** @type {const} */ ("file"),
    "File",
  ];
  return { icon, words };
}

/**
 * Explains why an answer has no preview.
 *
 * @param {Metadata} metadata
 */
export function explainMissingPreview({ type, partial, warnings: codes }) {
  if (partial) return "Its preview is not known yet.";
  const [code] = codes.filter((code) => code !== "type_mismatch");
  if (code) return `It has no preview: ${warnings[code]}.`;
  const { icon } = kindOf(type);
  if (icon === "sound") return "It has no cover, so there is no preview.";
  if (icon === "picture" || icon === "video")
    return "This service does not decode this format, so there is no preview.";
  return "Files of this type have no preview.";
}
