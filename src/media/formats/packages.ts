import { hasAt, memoized } from "./bytes.ts";
import type { Row } from "./format.ts";
import { type ZipEntry, zipEntries } from "./zip.ts";

// Formats that are a ZIP archive of files with known names.

const ooxml = "application/vnd.openxmlformats-officedocument.";
const odf = "application/vnd.oasis.opendocument.";

/** Media types of Office Open XML, by the usual extension (ECMA-376; [MS-OFFMACRO2] for the ones with macros). */
const officeTypes = {
  docx: `${ooxml}wordprocessingml.document`,
  dotx: `${ooxml}wordprocessingml.template`,
  docm: "application/vnd.ms-word.document.macroenabled.12",
  dotm: "application/vnd.ms-word.template.macroenabled.12",
  xlsx: `${ooxml}spreadsheetml.sheet`,
  xltx: `${ooxml}spreadsheetml.template`,
  xlsm: "application/vnd.ms-excel.sheet.macroenabled.12",
  xltm: "application/vnd.ms-excel.template.macroenabled.12",
  pptx: `${ooxml}presentationml.presentation`,
  ppsx: `${ooxml}presentationml.slideshow`,
  potx: `${ooxml}presentationml.template`,
  pptm: "application/vnd.ms-powerpoint.presentation.macroenabled.12",
  ppsm: "application/vnd.ms-powerpoint.slideshow.macroenabled.12",
  potm: "application/vnd.ms-powerpoint.template.macroenabled.12",
} as const;

/** Media types that stand in a file `mimetype` (OpenDocument 1.3, part 2, 3.3; EPUB 3.3, 4.2.6.3). */
const namedTypes = {
  odt: `${odf}text`,
  ott: `${odf}text-template`,
  ods: `${odf}spreadsheet`,
  ots: `${odf}spreadsheet-template`,
  odp: `${odf}presentation`,
  otp: `${odf}presentation-template`,
  odg: `${odf}graphics`,
  otg: `${odf}graphics-template`,
  epub: "application/epub+zip",
} as const;

const programTypes = {
  apk: "application/vnd.android.package-archive",
  jar: "application/java-archive",
} as const;

type PackageType =
  | (typeof officeTypes)[keyof typeof officeTypes]
  | (typeof namedTypes)[keyof typeof namedTypes]
  | (typeof programTypes)[keyof typeof programTypes];

// The parts that writers put first, for a list of parts (`[Content_Types].xml`) behind the head.
const mainParts = [
  { part: /^word\/(?:document|styles|settings|numbering|fontTable|theme\/)/, type: officeTypes.docx },
  { part: /^xl\/(?:workbook|styles|sharedStrings|worksheets\/|theme\/)/, type: officeTypes.xlsx },
  { part: /^ppt\/(?:presentation|slides\/|slideLayouts\/|slideMasters\/|theme\/)/, type: officeTypes.pptx },
] as const;

/** Android's package: its manifest or its code, and the manifest of Java's, which it has too if it is signed. */
const androidParts = /^(?:AndroidManifest\.xml|classes\d*\.dex)$/;
const javaManifest = "META-INF/MANIFEST.MF";

/** Sniffs the media type of a package by its entries in the head; null if it is another archive or none. */
function readPackage(head: Uint8Array): PackageType | null {
  if (!hasAt(head, 0, "PK\x03\x04")) return null;
  let likely: PackageType | null = null;
  let hasList = false;
  for (const entry of zipEntries(head)) {
    const { name } = entry;
    if (name === "mimetype") return readNamedType(entry);
    // Once: the entries of a central directory can all be the same compressed bytes.
    if (name === "[Content_Types].xml" && !hasList) {
      hasList = true;
      const main = readMainType(entry);
      if (main !== undefined) return main;
    }
    if (androidParts.test(name)) return programTypes.apk;
    likely ??= mainParts.find(({ part }) => part.test(name))?.type ?? null;
    if (name === javaManifest) likely ??= programTypes.jar;
  }
  return likely;
}

function readText({ readContent }: ZipEntry): string {
  return Buffer.from(readContent() ?? []).toString("latin1");
}

function readNamedType(entry: ZipEntry): PackageType | null {
  const named = readText(entry).trim();
  return Object.values(namedTypes).find((type) => type === named) ?? null;
}

/**
 * The type of the main part in the list of parts (ECMA-376 part 2, 7.2.3), which is the type of the document with
 * `.main+xml`; null if it is of another kind, undefined if the list has none as far as it can be read.
 */
function readMainType(entry: ZipEntry): PackageType | null | undefined {
  const [, main] = /ContentType="(application\/[\w.-]+)\.main(?:\+xml)?"/i.exec(readText(entry)) ?? [];
  if (main === undefined) return undefined;
  const named = main.toLowerCase().replace(/\.macroenabled(?:template)?$/, ".macroenabled.12");
  return Object.values(officeTypes).find((type) => type === named) ?? null;
}

const packageIn = memoized(readPackage);

function createRows<Name extends string>(
  types: Readonly<Record<Name, PackageType>>,
  aliases: readonly string[],
): Readonly<Record<Name, Row>> {
  const rows = Object.entries<PackageType>(types).map(([name, type]): [string, Row] => [
    name,
    { type, kind: "archive", matches: (head) => packageIn(head) === type, aliases },
  ]);
  return Object.fromEntries(rows) as Record<Name, Row>;
}

const zipNames = ["application/zip", "application/x-zip-compressed", "application/x-zip"];

/** The rows of the table. */
export const packages = {
  // With a password it is a compound file ([MS-OFFCRYPTO] 2.3.3).
  ...createRows(officeTypes, [...zipNames, "application/x-cfb"]),
  ...createRows(namedTypes, zipNames),
  ...createRows({ apk: programTypes.apk }, [...zipNames, programTypes.jar]),
  jar: {
    ...createRows({ jar: programTypes.jar }, [...zipNames, "application/x-java-archive"]).jar,
    refinedBy: /^application\/vnd\.android\.package-archive$/, // a signed one whose own parts are behind the head
  },
} as const;

export type PackageName = keyof typeof packages;
